from __future__ import annotations

import nibabel
import numpy as np
import pytest
from PIL import Image

from glioray.errors import DataError, UnreadableError
from glioray.insight.truth import known_labels, true_label, true_mask
from glioray.registry.bundle import BundleConfig


@pytest.fixture
def config(unet) -> BundleConfig:
    return unet.config


@pytest.fixture
def of_one_label(config) -> BundleConfig:
    contents = config.contents.model_copy(update={"labels": {"flair_abnormality": 1}, "regions": {}})
    return config.model_copy(update={"contents": contents})


def test_a_mask_in_the_models_labels_is_taken_as_it_is(config):
    values = np.array([[[0, 1], [2, 4]]], dtype=np.int16)

    found = known_labels(values, config, "mask")

    assert found.dtype == np.uint8
    assert found.tolist() == values.tolist()


def test_enhancing_tumor_may_be_3_as_it_is_since_2023(config):
    assert known_labels(np.array([[[0, 1, 2, 3]]]), config, "mask").tolist() == [[[0, 1, 2, 4]]]


def test_3_beside_4_is_unknown(config):
    with pytest.raises(DataError, match="mask: the mask holds 3, which is no label of the model"):
        known_labels(np.array([[[0, 3, 4]]]), config, "mask")


@pytest.mark.parametrize("value", [7, 255, -1, 1.5])
def test_an_unknown_label_is_named_with_those_there_are(config, value):
    with pytest.raises(DataError, match=rf"holds {value:g}, .*1 necrotic, 2 edema, 4 enhancing; 0 is none"):
        known_labels(np.array([[[0, 1, value]]]), config, "mask")


def test_where_there_is_one_label_any_one_value_stands_for_it(of_one_label):
    assert known_labels(np.array([[[0, 255]]]), of_one_label, "mask").tolist() == [[[0, 1]]]


def test_two_values_for_one_label_are_refused(of_one_label):
    with pytest.raises(DataError, match="holds 128"):
        known_labels(np.array([[[0, 128, 255]]]), of_one_label, "mask")


def test_a_mask_of_another_size_is_refused_with_both(config, tmp_path):
    file = tmp_path / "mask.png"
    Image.fromarray(np.ones((20, 30), dtype=np.uint8)).save(file)

    with pytest.raises(DataError, match=r"mask.png: the mask is 1 x 20 x 30, the image 1 x 20 x 20"):
        true_mask(file, config, (1, 20, 20))


def test_a_picture_of_labels_is_read_value_by_value(config, tmp_path):
    labels = np.zeros((20, 20), dtype=np.uint8)
    labels[3, 4] = 4
    Image.fromarray(labels).save(tmp_path / "mask.png")

    assert true_mask(tmp_path / "mask.png", config, (1, 20, 20))[0].tolist() == labels.tolist()


def test_a_volume_lies_as_the_scan_does(config, case, volumes):
    """Slices up, rows to the back, columns to the left, whatever the file's own axes."""
    file = next(case.glob("*seg*"))
    image = nibabel.load(file)
    flipped = nibabel.Nifti1Image(np.asarray(image.dataobj)[::-1], image.affine @ _mirror(image.shape[0]))

    plain = true_mask(file, config, (8, 80, 80))
    nibabel.save(flipped, case.parent / "mirrored.nii.gz")
    mirrored = true_mask(case.parent / "mirrored.nii.gz", config, (8, 80, 80))
    (case.parent / "mirrored.nii.gz").unlink()

    assert plain.any()
    assert np.array_equal(plain, mirrored)


def test_what_is_no_mask_is_named(config, tmp_path):
    (tmp_path / "mask.txt").write_text("none")

    with pytest.raises(UnreadableError, match=r"mask.txt: is text, not an image"):
        true_mask(tmp_path / "mask.txt", config, (1, 20, 20))


def test_a_class_is_known_by_its_name(cnn):
    assert true_label("glioma", cnn.config) == "glioma"


def _mirror(width: int) -> np.ndarray:
    found = np.diag([-1.0, 1, 1, 1])
    found[0, 3] = width - 1
    return found
