"""Preparation by actors of Ray: what only other processes can show, which is that pixels and errors pass unchanged."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from glioray.data import staging as staging_module
from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.runners import Runner, run_here
from glioray.errors import ClusterError, UnreadableError

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600), pytest.mark.usefixtures("shared_ray")]
OPTIONS = PrepareOptions(image_size=32, val_fraction=0.3, test_fraction=0.3)


@pytest.fixture
def actors() -> Runner:
    from glioray.data.parallel import run_on_actors  # imports Ray, which must find its environment set

    return run_on_actors(2)


def bytes_of(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_actors_prepare_the_same_bytes_as_threads(
    phantom: Path, tmp_path: Path, actors: Runner, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    monkeypatch.setattr(staging_module, "MOST_CASES", 1 if task == "segmentation" else 5)
    options = OPTIONS.model_copy(update={"task": task})
    told: list[tuple[str, int, int]] = []
    prepare("phantom", phantom, tmp_path / "actors", options, lambda *at: told.append(at), actors).verify(hashes=True)
    prepare("phantom", phantom, tmp_path / "threads", options, runner=run_here(1))
    assert bytes_of(tmp_path / "actors") == bytes_of(tmp_path / "threads")
    for stage in ("read", "write"):
        done = [at[1] for at in told if at[0] == stage]
        assert done == sorted(done)
        assert done[-1] == next(at[2] for at in told if at[0] == stage)


def work(item: int) -> None:
    """A worker's own error, by its number."""
    errors: dict[int, Exception] = {
        1: UnreadableError("scan.nii: truncated at byte 12"),
        2: OSError(28, "No space left on device", "/somewhere/x"),
        3: MemoryError("cannot allocate 9 GB"),
    }
    if item in errors:
        raise errors[item]


@pytest.mark.parametrize(("item", "kind"), [(1, UnreadableError), (2, OSError)])
def test_an_error_of_an_actor_comes_back_as_itself(actors: Runner, item: int, kind: type[Exception]) -> None:
    with pytest.raises(kind) as raised:
        actors(work, [0, item], lambda _: None)
    with pytest.raises(kind) as here:
        work(item)
    assert type(raised.value) is kind
    assert str(raised.value) == str(here.value)
    assert vars(raised.value) == vars(here.value)
    if isinstance(raised.value, OSError):
        assert (raised.value.errno, raised.value.filename) == (28, "/somewhere/x")


def test_any_other_failure_is_one_line_that_says_to_go_on(actors: Runner) -> None:
    with pytest.raises(ClusterError, match="cannot allocate 9 GB.*goes on where this one stopped") as raised:
        actors(work, [0, 3], lambda _: None)
    assert "\n" not in str(raised.value)


def test_every_item_is_told_of_once(actors: Runner) -> None:
    told: list[int] = []
    actors(work, [10, 11, 12, 13, 14], told.append)
    assert sorted(told) == [10, 11, 12, 13, 14]


def test_nothing_to_do_is_done_at_once(actors: Runner) -> None:
    actors(work, [], lambda _: pytest.fail("told"))


def test_a_broken_scan_is_named_in_one_line(phantom: Path, tmp_path: Path, actors: Runner) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(phantom, raw)
    path = min((raw / "volumes").glob("*/*_t2.nii.gz"))
    path.write_bytes(path.read_bytes()[:200])
    options = OPTIONS.model_copy(update={"task": "segmentation"})
    with pytest.raises(UnreadableError, match=r"^volumes/PHANTOM_\d+/PHANTOM_\d+_t2\.nii\.gz: ") as raised:
        prepare("phantom", raw, tmp_path / "out", options, None, actors)
    assert "\n" not in str(raised.value)
