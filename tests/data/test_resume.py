"""The same command after a kill, an interruption or an error: it goes on, and ends with the same bytes."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from tests.data.conftest import bytes_of, zipped

from glioray.data import prepare as prepare_module
from glioray.data import shard_writer
from glioray.data import staging as staging_module
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import PreparedDataset
from glioray.data.sources import kaggle_mri
from glioray.data.working import working_folder
from glioray.errors import DataError, UnreadableError

OPTIONS = PrepareOptions(image_size=32, workers=1, val_fraction=0.2, test_fraction=0.2)
WORK = ".out.partial"


@pytest.fixture(autouse=True)
def _small_portions() -> Iterator[None]:
    """32 images in 16 portions and 6 shards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2])  # where the processes that are killed find this file
        cut_small(patch.setattr)
        yield


def cut_small(change: Callable[[object, str, object], None]) -> None:
    """For this process and for those that are killed."""
    change(staging_module, "MOST_CASES", 2)
    change(shard_writer, "ROWS_A_GROUP", 4)
    change(shard_writer, "SHARD_BYTES", 4 * 32 * 32)
    change(prepare_module, "write_page", lambda dataset, *_, **__: (dataset.folder / "dataset.html").write_text("page"))


@pytest.fixture
def read_again(monkeypatch) -> list[str]:
    """Fills with the name of each image that is read."""
    names: list[str] = []
    read = kaggle_mri.read

    def counted(scans, case):
        names.append(case.case_id)
        return read(scans, case)

    monkeypatch.setattr(kaggle_mri, "read", counted)
    return names


@pytest.fixture
def written_again(monkeypatch) -> list[str]:
    """Fills with the name of each shard that is written."""
    names: list[str] = []
    write = shard_writer._write

    def counted(path, tables):
        names.append(f"{path.parent.name}/{path.name}")
        write(path, tables)

    monkeypatch.setattr(shard_writer, "_write", counted)
    return names


@pytest.fixture(scope="module")
def undisturbed(kaggle_scans, tmp_path_factory) -> dict[str, str]:
    """Bytes of each file of a run that nothing came between."""
    with pytest.MonkeyPatch.context() as patch:
        cut_small(patch.setattr)
        out = tmp_path_factory.mktemp("undisturbed") / "out"
        return bytes_of(prepare(kaggle_scans, out).folder)


def prepare(raw: Path, out: Path, options: PrepareOptions = OPTIONS, on_progress=None) -> PreparedDataset:
    return prepare_module.prepare("kaggle_mri", raw, out, options, on_progress)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def kill_me(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def prepare_until_killed(raw: Path, out: Path, stage: str, share: float) -> None:
    """In a process of its own: killed when that share of a stage is done, or (`compare`) half-way through a shard."""
    cut_small(setattr)
    if stage == "compare":
        compare = shard_writer.ShardWriter._compare
        shard_writer.ShardWriter._compare = lambda self, path, spans: (
            kill_me() if "split=val" in str(path) else compare(self, path, spans)
        )
    prepare(raw, out, on_progress=lambda at, done, total: kill_me() if at == stage and done >= share * total else None)


def kill(raw: Path, out: Path, stage: str, share: float) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["glioray.data.prepare"])
    child = context.Process(target=prepare_until_killed, args=(raw, out, stage, share))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL


def interrupt(stage: str, share: float, error: BaseException) -> Callable[[str, int, int], None]:
    def at(its_stage: str, done: int, total: int) -> None:
        if its_stage == stage and done >= share * total:
            raise error

    return at


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_run_that_was_killed_while_it_read_goes_on(kaggle_scans, tmp_path, undisturbed, read_again, share) -> None:
    kill(kaggle_scans, tmp_path / "out", "read", share)
    staged = list((tmp_path / WORK / "read").glob("*.json"))
    assert share * 16 - 1 <= len(staged) < 16
    prepare(kaggle_scans, tmp_path / "out").verify(hashes=True)
    assert len(read_again) == len(set(read_again)) == 32 - 2 * len(staged)
    assert bytes_of(tmp_path / "out") == undisturbed
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize(("stage", "share"), [("write", 0.3), ("write", 0.9), ("compare", 0)])
def test_a_run_that_was_killed_while_it_wrote_goes_on(
    kaggle_scans, tmp_path, undisturbed, read_again, written_again, stage, share
) -> None:
    kill(kaggle_scans, tmp_path / "out", stage, share)
    noted = len(list(tmp_path.glob(f"{WORK}/notes-*/*.json")))
    assert noted > 0
    prepare(kaggle_scans, tmp_path / "out").verify(hashes=True)
    assert read_again == []
    assert len(written_again) == sum(name.endswith(".parquet") for name in undisturbed) - noted
    assert bytes_of(tmp_path / "out") == undisturbed
    assert names(tmp_path) == ["out"]


def test_a_kill_leaves_the_older_data_set_as_it_was(kaggle_scans, tmp_path, undisturbed) -> None:
    prepare(kaggle_scans, tmp_path / "out", OPTIONS.model_copy(update={"seed": 5}))
    before = bytes_of(tmp_path / "out")
    kill(kaggle_scans, tmp_path / "out", "write", 1.0)
    assert bytes_of(tmp_path / "out") == before
    prepare(kaggle_scans, tmp_path / "out")
    assert bytes_of(tmp_path / "out") == undisturbed
    assert names(tmp_path) == ["out"]


def test_an_interruption_keeps_what_was_read(kaggle_scans, tmp_path, undisturbed, read_again) -> None:
    with pytest.raises(KeyboardInterrupt):
        prepare(kaggle_scans, tmp_path / "out", on_progress=interrupt("read", 0.5, KeyboardInterrupt()))
    before = len(read_again)
    assert 16 <= before < 32
    prepare(kaggle_scans, tmp_path / "out")
    assert len(read_again) == len(set(read_again)) == 32
    assert bytes_of(tmp_path / "out") == undisturbed


def test_another_seed_takes_what_was_read_but_no_shard(kaggle_scans, tmp_path, read_again, written_again) -> None:
    other = OPTIONS.model_copy(update={"seed": 5})
    prepare(kaggle_scans, tmp_path / "wanted", other)
    with pytest.raises(KeyboardInterrupt):
        prepare(kaggle_scans, tmp_path / "out", on_progress=interrupt("write", 0.5, KeyboardInterrupt()))
    read_again.clear()
    written_again.clear()
    prepare(kaggle_scans, tmp_path / "out", other).verify(hashes=True)
    assert read_again == []
    assert len(written_again) == len(list((tmp_path / "out").glob("split=*/*.parquet")))
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "wanted")


def test_other_pixels_are_read_anew(kaggle_scans, tmp_path, read_again) -> None:
    with pytest.raises(KeyboardInterrupt):
        prepare(kaggle_scans, tmp_path / "out", on_progress=interrupt("write", 0.5, KeyboardInterrupt()))
    read_again.clear()
    dataset = prepare(kaggle_scans, tmp_path / "out", OPTIONS.model_copy(update={"image_size": 48}))
    assert len(read_again) == 32
    assert dataset.signature.image_size == 48


def test_a_file_that_was_mended_is_read_with_its_portion_only(kaggle_folder, tmp_path, undisturbed, read_again) -> None:
    path = kaggle_folder / "Training" / "glioma" / "Training_0.jpg"
    whole = path.read_bytes()
    path.write_bytes(whole[:40])
    with pytest.raises(UnreadableError, match=r"Training_0\.jpg"):
        prepare(kaggle_folder, tmp_path / "out")
    assert names(tmp_path) == [WORK, "raw"]
    read_again.clear()
    path.write_bytes(whole)
    prepare(kaggle_folder, tmp_path / "out")
    assert read_again == ["Training/glioma/Training_0.jpg", "Training/glioma/Training_1.jpg"]
    assert bytes_of(tmp_path / "out") == undisturbed


def test_a_file_that_changed_meanwhile_is_read_with_its_portion(kaggle_folder, tmp_path, draw_head, read_again) -> None:
    with pytest.raises(KeyboardInterrupt):
        prepare(kaggle_folder, tmp_path / "out", on_progress=interrupt("write", 0.5, KeyboardInterrupt()))
    read_again.clear()
    Image.fromarray(draw_head(999)).save(kaggle_folder / "Testing" / "notumor" / "Testing_1.jpg", format="PNG")
    prepare(kaggle_folder, tmp_path / "out")
    assert read_again == ["Testing/notumor/Testing_0.jpg", "Testing/notumor/Testing_1.jpg"]
    prepare(kaggle_folder, tmp_path / "fresh")
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "fresh")


def test_files_may_be_skipped_after_all(kaggle_folder, tmp_path, read_again) -> None:
    (kaggle_folder / "Training" / "glioma" / "notes.jpg").write_text("remember to label these\n")
    with pytest.raises(UnreadableError, match=r"notes\.jpg"):
        prepare(kaggle_folder, tmp_path / "out")
    read_again.clear()
    dataset = prepare(kaggle_folder, tmp_path / "out", OPTIONS.model_copy(update={"skip_unreadable": True}))
    assert read_again == ["Training/glioma/notes.jpg", "Training/meningioma/Training_0.jpg"]  # its portion, once more
    assert [refused.source for refused in dataset.manifest.refused] == ["Training/glioma/notes.jpg"]


@pytest.mark.parametrize("error", [ValueError("a bug"), DataError("too few groups"), OSError(5, "I/O error")])
def test_any_other_error_keeps_what_was_read(kaggle_scans, tmp_path, undisturbed, read_again, error) -> None:
    with pytest.raises((ValueError, DataError)):
        prepare(kaggle_scans, tmp_path / "out", on_progress=interrupt("read", 0.5, error))
    assert names(tmp_path) == [WORK]
    prepare(kaggle_scans, tmp_path / "out")
    assert len(read_again) == len(set(read_again)) == 32
    assert bytes_of(tmp_path / "out") == undisturbed
    assert names(tmp_path) == ["out"]


def test_a_full_disk_leaves_nothing_beside_the_output(kaggle_scans, tmp_path) -> None:
    with pytest.raises(DataError, match="no space left"):
        prepare(kaggle_scans, tmp_path / "out", on_progress=interrupt("read", 0.5, OSError(errno.ENOSPC, "full")))
    assert names(tmp_path) == []


def test_what_failed_in_passing_is_read_again_though_files_may_be_skipped(
    kaggle_scans, tmp_path, undisturbed, monkeypatch
) -> None:
    """The share that a file lies on was away, and the run ended after it was told so."""
    options = OPTIONS.model_copy(update={"skip_unreadable": True})
    read = kaggle_mri.read

    def away(scans, case):
        if case.case_id == "Training/glioma/Training_2.jpg":
            raise UnreadableError(f"{case.case_id}: the share is away")
        return read(scans, case)

    monkeypatch.setattr(kaggle_mri, "read", away)
    with pytest.raises(KeyboardInterrupt):
        prepare(kaggle_scans, tmp_path / "out", options, interrupt("write", 0.5, KeyboardInterrupt()))
    monkeypatch.setattr(kaggle_mri, "read", read)
    assert prepare(kaggle_scans, tmp_path / "out", options).manifest.refused == ()
    assert bytes_of(tmp_path / "out") == undisturbed


def test_a_second_process_at_the_same_time_is_refused(kaggle_scans, tmp_path) -> None:
    with working_folder(tmp_path / "out") as work:
        (work / "mine").write_text("being made")
        with pytest.raises(DataError, match="another process is preparing it"):
            prepare(kaggle_scans, tmp_path / "out")
        assert names(work) == ["lock", "mine"]
    prepare(kaggle_scans, tmp_path / "out")
    assert names(tmp_path) == ["out"]


def test_an_archive_is_not_unpacked_twice(kaggle_scans, tmp_path, undisturbed, read_again) -> None:
    raw = zipped(kaggle_scans, tmp_path / "raw.zip")
    with pytest.raises(KeyboardInterrupt):
        prepare(raw, tmp_path / "out", on_progress=interrupt("read", 0.5, KeyboardInterrupt()))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob(f"{WORK}/raw-*/**/*.jpg")}
    assert len(before) == 32
    seen: dict[Path, int] = {}

    def look(*_: object) -> None:
        seen.update({path: path.stat().st_mtime_ns for path in before if path.exists()})

    prepare(raw, tmp_path / "out", on_progress=look)
    assert seen == before
    assert len(read_again) == 32
    assert bytes_of(tmp_path / "out") == undisturbed


def test_another_archive_is_not_mixed_with_the_one_that_was_interrupted(kaggle_folder, tmp_path, draw_head) -> None:
    """The second one lacks three pictures of the first, and another is drawn anew."""
    raw = zipped(kaggle_folder, tmp_path / "raw.zip")
    with pytest.raises(KeyboardInterrupt):
        prepare(raw, tmp_path / "out", on_progress=interrupt("read", 0.5, KeyboardInterrupt()))
    for number in (1, 2, 3):
        (kaggle_folder / "Training" / "glioma" / f"Training_{number}.jpg").unlink()
    Image.fromarray(draw_head(999)).save(kaggle_folder / "Training" / "glioma" / "Training_0.jpg", format="PNG")
    prepare(zipped(kaggle_folder, raw), tmp_path / "out")
    prepare(kaggle_folder, tmp_path / "fresh")
    assert bytes_of(tmp_path / "out") == bytes_of(tmp_path / "fresh")
    assert names(tmp_path) == ["fresh", "out", "raw", "raw.zip"]
