from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from glioray.data.download import datasets, run
from glioray.data.download.datasets import DATASETS, Part, dataset
from glioray.data.download.run import download
from glioray.data.sources import load, raw_scans
from glioray.errors import DataError, UnreadableError

LGG = {f"kaggle_3m/TCGA_{n}/TCGA_{n}_1{end}.tif": b"tif" for n in (1, 2) for end in ("", "_mask")}
TABLE = {"kaggle_3m/data.csv": b"Patient,age\n"}
COPY = {f"lgg-mri-segmentation/{name}": content for name, content in LGG.items()}
SLICES = {f"BraTS2020_training_data/content/data/volume_1_slice_{n}.h5": b"h5" for n in range(2)}
META = {"BraTS20 Training Metadata.csv": b"slice_path\n"}


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """Data sets of a few files, and no way to the real Kaggle."""
    parts = {
        "lgg": (
            Part("slices", "TCGA_*/*[0-9].tif", 2, r"(TCGA[^/]*)/", "patients", 2),
            Part("masks", "TCGA_*/*_mask.tif", 2),
        ),
        "brats2020": (Part("slices", "volume_*_slice_*.h5", 2, r"volume_(\d+)_", "volumes", 1, 2),),
    }
    for name in parts:
        monkeypatch.setitem(datasets.DATASETS, name, replace(DATASETS[name], parts=parts[name], archive_bytes=1000))
    monkeypatch.setattr(run, "connect", lambda data, folder: pytest.fail("Kaggle was asked"))


def pack(path, *parts):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        for part in parts:
            for name, content in part.items():
                file.writestr(name, content)
    return path


class FakeApi:
    """Gives the bytes of a zip, from where an earlier call broke off at `cut`."""

    def __init__(self, content, cut=None):
        self.content, self.cut, self.sent = content, cut, 0

    def dataset_download_files(self, dataset, path=None, force=False, quiet=True, unzip=False):
        end = self.cut or len(self.content)
        with (Path(path) / f"{dataset.split('/')[1]}.zip").open("ab") as file:
            file.write(self.content[file.tell() : end])
            self.sent += end - self.sent
        if self.cut:
            self.cut = None
            raise requests.ConnectionError("cable pulled")


@pytest.fixture
def api(tmp_path):
    return FakeApi(pack(tmp_path / "kaggle" / "lgg.zip", LGG, TABLE, COPY).read_bytes())


def below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


UNWRAPPED = sorted(name.removeprefix("kaggle_3m/") for name in {**LGG, **TABLE})


def test_a_download_is_unpacked_counted_and_laid_out_for_its_source(tmp_path, api) -> None:
    out = tmp_path / "new" / "lgg"
    done = download("lgg", out, api=api)
    assert (done.folder, done.source, done.files, done.bytes, done.was_there) == (out, "lgg", 4, 12, False)
    assert below(out) == UNWRAPPED
    source = load(done.source)
    found = source.find(raw_scans(source, done.folder))
    assert [case.patient_id for case in found.cases] == ["TCGA_1", "TCGA_2"]


def test_progress_names_its_stages(tmp_path, api) -> None:
    told = []
    download("lgg", tmp_path / "lgg", lambda *step: told.append(step), api)
    assert told[0][0] == "download MB"
    assert told[-1] == ("unpack", 9, 9)


def test_a_broken_download_keeps_what_it_has_and_goes_on(tmp_path, api) -> None:
    api.cut = 300
    with pytest.raises(DataError, match=r"Kaggle cannot be reached \(cable pulled\)"):
        download("lgg", tmp_path / "lgg", api=api)
    assert (tmp_path / "lgg" / "lgg-mri-segmentation.zip").stat().st_size == 300
    assert download("lgg", tmp_path / "lgg", api=api).files == 4
    assert api.sent == len(api.content)


def test_a_download_that_never_began_leaves_no_folder(tmp_path) -> None:
    class Offline:
        def dataset_download_files(self, *args, **kwargs):
            raise requests.ConnectionError("no route")

    with pytest.raises(DataError, match="Kaggle cannot be reached"):
        download("lgg", tmp_path / "a" / "b" / "lgg", api=Offline())
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_counted_and_not_fetched(tmp_path, api) -> None:
    download("lgg", tmp_path / "lgg", api=api)
    done = download("lgg", tmp_path / "lgg")
    assert (done.files, done.was_there) == (4, True)


def test_a_folder_unpacked_by_hand_is_found_in_its_wrappers_and_left_as_it_is(tmp_path) -> None:
    for name, content in SLICES.items():
        (tmp_path / "archive" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "archive" / name).write_bytes(content)
    before = below(tmp_path)
    done = download("brats2020", tmp_path)
    assert done.folder == tmp_path / "archive/BraTS2020_training_data/content/data"
    assert (done.source, done.was_there) == ("brats_h5", True)
    assert below(tmp_path) == before


def test_a_folder_by_hand_that_is_not_whole_says_what_is_missing(tmp_path) -> None:
    (tmp_path / "volume_1_slice_0.h5").write_bytes(b"h5")
    with pytest.raises(DataError, match=r"brats2020 is not whole:\n  slices: 1 of 2 are there\n  volumes with fewer"):
        download("brats2020", tmp_path)
    assert below(tmp_path) == ["volume_1_slice_0.h5"]


@pytest.mark.parametrize("name", ["archive.zip", "brats2020-training-data.zip"])
def test_a_zip_put_there_by_hand_is_unpacked_and_stays(tmp_path, name) -> None:
    pack(tmp_path / name, SLICES, META)
    done = download("brats2020", tmp_path)
    assert (done.folder, done.files, done.was_there) == (tmp_path, 2, False)
    assert below(tmp_path) == sorted([*META, name, "volume_1_slice_0.h5", "volume_1_slice_1.h5"])
    assert download("brats2020", tmp_path).was_there


def test_a_zip_of_another_data_set_is_refused_and_leaves_nothing(tmp_path) -> None:
    pack(tmp_path / "archive.zip", SLICES)
    with pytest.raises(DataError, match=r"archive\.zip: holds no lgg \(TCGA_\*\)"):
        download("lgg", tmp_path)
    assert below(tmp_path) == ["archive.zip"]


def test_a_zip_that_would_leave_the_folder_is_refused(tmp_path) -> None:
    pack(tmp_path / "in" / "archive.zip", SLICES, {"../outside.h5": b"h5"})
    with pytest.raises(DataError, match=r"'\.\./outside\.h5' leads out of the folder"):
        download("brats2020", tmp_path / "in")
    assert not (tmp_path / "outside.h5").exists()


def test_a_zip_cut_off_by_the_browser_is_told(tmp_path) -> None:
    archive = pack(tmp_path / "archive.zip", SLICES)
    archive.write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(UnreadableError, match=r"archive\.zip: is cut off"):
        download("brats2020", tmp_path)


def test_a_damaged_download_is_removed_so_that_the_next_run_fetches_it_again(tmp_path, api) -> None:
    whole = api.content
    api.content = whole.replace(b"tif", b"tiv", 40).replace(b".tiv", b".tif")
    with pytest.raises(UnreadableError, match="is damaged"):
        download("lgg", tmp_path / "lgg", api=api)
    assert below(tmp_path / "lgg") == []
    assert download("lgg", tmp_path / "lgg", api=FakeApi(whole)).files == 4


def test_a_fetched_zip_that_is_not_whole_by_its_count_is_kept(tmp_path, api) -> None:
    some = dict(list(LGG.items())[:3])
    api.content = pack(tmp_path / "part.zip", some).read_bytes()
    archive = tmp_path / "lgg" / "lgg-mri-segmentation.zip"
    with pytest.raises(DataError, match=r"masks: 1 of 2 are there(.|\n)*The zip is kept: .*lgg-mri-segmentation\.zip"):
        download("lgg", tmp_path / "lgg", api=api)
    assert archive.read_bytes() == api.content
    with pytest.raises(DataError, match="masks: 1 of 2 are there"):
        download("lgg", tmp_path / "lgg")  # nothing is fetched again
    assert archive.is_file()


@pytest.mark.parametrize("num_moved", [1, 2])
def test_an_unpacking_that_was_killed_goes_on(tmp_path, monkeypatch, num_moved) -> None:
    archive = pack(tmp_path / "archive.zip", SLICES, META)

    def killed(source, target):
        for path in list(source.iterdir())[:num_moved]:
            path.replace(target / path.name)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, "_move", killed)
        with pytest.raises(KeyboardInterrupt):
            download("brats2020", tmp_path)
    assert (tmp_path / ".unpacking").is_dir()
    done = download("brats2020", tmp_path)
    assert done.files == 2
    assert below(tmp_path) == sorted([*META, archive.name, "volume_1_slice_0.h5", "volume_1_slice_1.h5"])


def test_a_full_disk_is_said_before_kaggle_is_asked(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(datasets.DATASETS, "lgg", replace(dataset("lgg"), archive_bytes=10**15))
    with pytest.raises(DataError, match=r"no space left: 2,000,000,000,000,000 bytes are needed"):
        download("lgg", tmp_path / "lgg")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path) -> None:
    (tmp_path / "lgg").write_bytes(b"")
    with pytest.raises(DataError, match="lgg: is not a folder"):
        download("lgg", tmp_path / "lgg")
