from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from glioray.errors import DataError, ModelError, UnreadableError
from glioray.insight.reading import read_subjects
from glioray.serving.predictor import Predictor

CHANNELS = ("t1", "t1ce", "t2", "flair")


@pytest.fixture
def segmenter(unet) -> Predictor:
    return Predictor.load(unet)


@pytest.fixture
def own(case: Path, tmp_path: Path) -> Path:
    """A copy of the folder of a case."""
    return Path(shutil.copytree(case, tmp_path / case.name))


def read(predictor: Predictor, file: Path, *truth: str):
    (subject,) = read_subjects(predictor, [file], truth)
    return subject


def test_the_folder_of_a_case_has_its_slices_and_its_mask(segmenter, case):
    subject = read(segmenter, case)

    assert len(subject.slices) == 8
    assert subject.grey.shape == subject.mask.shape == (8, 80, 80)
    assert set(np.unique(subject.mask)) == {0, 1, 2, 4}


def test_a_zip_of_the_same_files_is_prepared_alike(segmenter, case, tmp_path):
    with zipfile.ZipFile(tmp_path / "case.zip", "w") as archive:
        for file in case.iterdir():
            archive.write(file, file.name)

    folder, packed = read(segmenter, case), read(segmenter, tmp_path / "case.zip")

    assert all(np.array_equal(a.image, b.image) for a, b in zip(folder.slices, packed.slices, strict=True))


def test_one_volume_with_its_mask_beside_it(segmenter, case, tmp_path):
    volumes = [nibabel.load(next(case.glob(f"*_{channel}.nii*"))) for channel in CHANNELS]
    together = np.stack([np.asarray(volume.dataobj) for volume in volumes], axis=-1)
    nibabel.save(nibabel.Nifti1Image(together, volumes[0].affine), tmp_path / "all.nii.gz")

    subject = read(segmenter, tmp_path / "all.nii.gz", str(next(case.glob("*seg*"))))

    assert np.array_equal(subject.mask, read(segmenter, case).mask)


def test_a_slice_with_a_page_for_each_channel_and_its_mask(segmenter, tmp_path):
    pages = np.random.default_rng(0).integers(0, 900, (4, 40, 48)).astype(np.uint16)
    images = [Image.fromarray(page) for page in pages]
    images[0].save(tmp_path / "slice.tif", save_all=True, append_images=images[1:])
    Image.fromarray(np.full((40, 48), 2, dtype=np.uint8)).save(tmp_path / "mask.png")

    subject = read(segmenter, tmp_path / "slice.tif", str(tmp_path / "mask.png"))

    assert subject.grey.shape == (1, 40, 48)
    assert (subject.mask == 2).all()


def test_a_missing_sequence_is_named_with_the_folder(segmenter, own):
    next(own.glob("*t1ce*")).unlink()

    with pytest.raises(ModelError, match=rf"{own.name}: .*missing t1ce"):
        read(segmenter, own)


def test_a_folder_without_scans_is_named(segmenter, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("no scan")

    with pytest.raises(DataError, match="empty: is empty; give a folder with a NIfTI for each sequence"):
        read(segmenter, tmp_path / "empty")
    with pytest.raises(UnreadableError, match="notes: no DICOM series is in it"):
        read(segmenter, tmp_path / "notes")


def test_a_damaged_volume_is_named(segmenter, own):
    file = next(own.glob("*flair*"))
    file.write_bytes(file.read_bytes()[:2000])

    with pytest.raises(UnreadableError, match="flair"):
        read(segmenter, own)


def test_a_mask_in_the_folder_with_an_unknown_label_is_named(segmenter, own):
    file = next(own.glob("*seg*"))
    image = nibabel.load(file)
    nibabel.save(
        nibabel.Nifti1Image(np.where(np.asarray(image.dataobj) == 1, 9, 0).astype(np.uint8), image.affine), file
    )

    with pytest.raises(DataError, match=r"seg.*: the mask holds 9, which is no label of the model"):
        read(segmenter, own)


def test_a_classifier_reads_a_slice_as_the_service_does(cnn, picture):
    predictor = Predictor.load(cnn)

    subject = read(predictor, picture, "glioma")

    raw = predictor.decode(picture.read_bytes(), picture.name)
    assert np.array_equal(subject.slices[0].image, predictor.prepare(raw).image)
    assert subject.label == "glioma"


def test_a_pickled_array_is_refused(segmenter, tmp_path):
    stream = io.BytesIO()
    np.save(stream, np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "array.npy").write_bytes(stream.getvalue())

    with pytest.raises(UnreadableError, match=r"array.npy: not a usable .npy"):
        read(segmenter, tmp_path / "array.npy")
