"""Uploaded NIfTI and arrays to volumes, and what is refused of them."""

from __future__ import annotations

import gzip
import io
import random
import struct
import zlib

import numpy as np
import pytest
from tests.serving.sent import CHANNELS, LIMITS, OBLIQUE, few, form, sent, slices

from glioray.errors import DataError, GliorayError, ModelError, UnreadableError
from glioray.serving.kinds import is_volume, kind_of
from glioray.serving.volume_reading import read_volume


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(**arrays):
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def test_a_form_has_a_nifti_for_each_sequence_in_any_order_and_spelling(head_of, nifti_of):
    head = head_of()
    names = {"T2F": "flair", "t1gd": "t1ce", "T1": "t1", "t2w": "t2"}

    read = read_volume(form({name: nifti_of(head[own]) for name, own in names.items()}), CHANNELS, LIMITS)

    np.testing.assert_array_equal(read.image, slices(head))
    assert read.spacing_mm == (2.0, 1.0, 1.0)
    assert read.place.voxel_ml == pytest.approx(0.002)


def test_one_nifti_holds_the_channels_on_its_fourth_axis_packed_or_not(head_of, nifti_of):
    head = head_of()
    content = nifti_of(np.stack([head[name] for name in CHANNELS], axis=-1))

    for packed in (content, gzip.compress(content), gzip.compress(content[:500]) + gzip.compress(content[500:])):
        np.testing.assert_array_equal(read_volume(sent(packed), CHANNELS, LIMITS).image, slices(head))


def test_the_order_of_the_channels_in_a_file_can_be_told(head_of, nifti_of):
    head = head_of()
    order = ("FLAIR", "t1w", "t1gd", "t2w")  # the decathlon's
    names = ("flair", "t1", "t1ce", "t2")

    read = read_volume(sent(nifti_of(np.stack([head[name] for name in names], axis=-1)), order), CHANNELS, LIMITS)

    np.testing.assert_array_equal(read.image, slices(head))


def test_a_file_of_other_axes_is_turned_as_the_training_volumes_are(head_of, nifti_of):
    head = head_of()
    turned = {name: nifti_of(voxels[::-1].swapaxes(1, 2), _sagittal()) for name, voxels in head.items()}

    read = read_volume(form(turned), CHANNELS, LIMITS)

    np.testing.assert_array_equal(read.image, slices(head))
    assert read.spacing_mm == (2.0, 1.0, 1.0)


def _sagittal():
    """Of columns to the right, then slices up, then rows to the back."""
    return np.array([[1.0, 0, 0, 0], [0, 0, -1.0, 0], [0, 2.0, 0, 0], [0, 0, 0, 1]])


def test_the_volume_of_an_oblique_voxel_is_that_of_its_edges(head_of, nifti_of):
    read = read_volume(form({n: nifti_of(v, OBLIQUE) for n, v in head_of().items()}), CHANNELS, LIMITS)

    assert read.place.voxel_ml == pytest.approx(abs(np.linalg.det(OBLIQUE[:3, :3])) / 1000, rel=1e-5)
    np.testing.assert_allclose(read.place.affine, OBLIQUE, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda voxels, nifti_of: nifti_of(voxels[:-1]), "23 x 28 x 6 voxels"),
        (lambda voxels, nifti_of: nifti_of(voxels, np.diag([-1.0, -1.0, 2.2, 1.0])), "voxels lie up to 1 mm"),
    ],
)
def test_sequences_on_two_grids_are_refused_with_what_is_different(head_of, nifti_of, change, words):
    head = head_of()
    files = {name: nifti_of(voxels) for name, voxels in head.items()}

    with pytest.raises(DataError, match=words) as caught:
        read_volume(form({**files, "t2": change(head["t2"], nifti_of)}), CHANNELS, LIMITS)
    assert not isinstance(caught.value, UnreadableError)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("t1", "t1ce", "t2"), "missing flair"),
        (("t1", "t1ce", "t2", "flair", "adc"), "'adc' is none of the model's channels: t1, t1ce, t2, flair"),
        (("t1", "t1ce", "t1c", "t2", "flair"), "'t1ce' and 't1c' are both 't1ce'"),
    ],
)
def test_parts_that_are_not_the_models_channels_are_refused_by_name(head_of, nifti_of, names, words):
    content = nifti_of(head_of()["t1"])

    with pytest.raises(ModelError, match=words):
        read_volume(form(dict.fromkeys(names, content)), CHANNELS, LIMITS)


def test_another_number_of_channels_in_one_file_is_refused_with_both_numbers(head_of, nifti_of):
    with pytest.raises(ModelError, match=r"takes 4 channels \(t1, t1ce, t2, flair\), 'scan' has 1"):
        read_volume(sent(nifti_of(head_of()["t1"])), CHANNELS, LIMITS)


def test_voxels_that_are_no_numbers_are_refused(head_of, nifti_of):
    voxels = np.stack([head_of()[name] for name in CHANNELS], axis=-1).astype(np.float32)
    voxels[3, 4, 2, 1] = np.nan

    with pytest.raises(UnreadableError, match="not finite"):
        read_volume(sent(nifti_of(voxels)), CHANNELS, LIMITS)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_a_truncated_nifti_is_refused_packed_or_not(head_of, nifti_of, share):
    content = nifti_of(np.stack([head_of()[name] for name in CHANNELS], axis=-1))

    for whole in (content, gzip.compress(content)):
        with pytest.raises(UnreadableError):
            read_volume(sent(whole[: int(len(whole) * share)]), CHANNELS, LIMITS)


def test_a_gzip_bomb_is_unpacked_no_further_than_its_header_says(head_of, nifti_of, monkeypatch):
    content = nifti_of(np.stack([head_of()[name] for name in CHANNELS], axis=-1))
    packer = zlib.compressobj(9, wbits=31)
    bomb = packer.compress(content) + b"".join(packer.compress(bytes(10**6)) for _ in range(300)) + packer.flush()
    grown = []
    open_ = zlib.decompressobj

    class Counted:
        def __init__(self, wbits):
            self.inner = open_(wbits)

        def decompress(self, data, most=0):
            grown.append(most)
            return self.inner.decompress(data, most)

        eof = property(lambda self: self.inner.eof)

    monkeypatch.setattr("glioray.data.nifti_file.zlib.decompressobj", Counted)

    read = read_volume(sent(bomb), CHANNELS, LIMITS)

    assert read.image.shape == (6, 4, 28, 24)
    assert all(0 < most <= len(content) for most in grown)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"voxels": 16_000}, "at most 16,000 are read"),
        ({"slices": 5}, "6 slices; at most 5"),
        ({"unpacked_bytes": 30_000}, "at most 0 MB"),
    ],
)
def test_a_header_that_claims_too_much_is_refused(head_of, nifti_of, limits, words):
    content = nifti_of(np.stack([head_of()[name] for name in CHANNELS], axis=-1))

    with pytest.raises(DataError, match=words):
        read_volume(sent(content), CHANNELS, few(**limits))


def test_slices_of_a_long_thin_volume_are_refused_before_they_are_squared(nifti_of):
    with pytest.raises(UnreadableError, match="at most 4000 px on a side"):
        read_volume(sent(nifti_of(np.zeros((30_000, 16, 1), np.int16))), ("t1",), LIMITS)


def test_an_array_is_channels_slices_rows_columns_and_its_spacing_is_not_known(head_of):
    image = slices(head_of())

    read = read_volume(sent(npy(image.swapaxes(0, 1))), CHANNELS, LIMITS)

    np.testing.assert_array_equal(read.image, image)
    assert (read.spacing_mm, read.place.voxel_ml) == (None, None)


def test_an_npz_names_its_channels_and_may_say_its_spacing(head_of):
    head = head_of()
    content = npz(spacing_mm=np.array([3.0, 0.5, 0.5]), **{name: voxels.T for name, voxels in head.items()})

    read = read_volume(sent(content), CHANNELS, LIMITS)

    np.testing.assert_array_equal(read.image, slices(head))
    assert read.spacing_mm == (3.0, 0.5, 0.5)
    assert read.place.voxel_ml == pytest.approx(0.00075)


def test_an_array_of_objects_is_refused_and_never_unpickled():
    stream = io.BytesIO()
    np.save(stream, np.array([[[[print]]]], dtype=object), allow_pickle=True)

    with pytest.raises(UnreadableError, match="wanted numbers"):
        read_volume(sent(stream.getvalue()), CHANNELS, LIMITS)


def test_an_npz_with_a_spacing_that_is_none_is_refused(head_of):
    arrays = {name: voxels.T for name, voxels in head_of().items()}

    for spacing in (np.array([1.0, 1.0]), np.array([0.0, 1.0, 1.0]), np.array([np.nan, 1.0, 1.0])):
        with pytest.raises(UnreadableError, match="spacing_mm is"):
            read_volume(sent(npz(spacing_mm=spacing, **arrays)), CHANNELS, LIMITS)


def test_a_header_whose_first_voxel_is_nowhere_is_refused(head_of, nifti_of):
    content = bytearray(nifti_of(head_of()["t1"]))
    content[108:112] = struct.pack("<f", float("nan"))

    with pytest.raises(UnreadableError, match="not a readable NIfTI"):
        read_volume(sent(bytes(content)), ("t1",), LIMITS)


@pytest.mark.parametrize("kind", ["nifti", "gzip", "npy", "npz", "zip of nifti", "zip of dicom"])
def test_no_damage_gets_out_as_anything_but_an_error_of_ours(kind, head_of, nifti_of, series_of, zip_of):
    head = head_of()
    nifti = nifti_of(np.stack([head[name] for name in CHANNELS], axis=-1))
    noise = random.Random(0)
    refused = 0
    for _ in range(60):
        whole = {
            "nifti": lambda: _damaged(nifti, noise),
            "gzip": lambda: _damaged(gzip.compress(nifti, 1), noise),
            "npy": lambda: _damaged(npy(np.stack(list(head.values()))), noise),
            "npz": lambda: _damaged(npz(**head), noise),
            "zip of nifti": lambda: zip_of({"t1.nii": _damaged(nifti, noise)}),
            "zip of dicom": lambda: zip_of(
                {n: _damaged(f, noise) for n, f in series_of(head["t1"].T[:3], "T1").items()}
            ),
        }[kind]()
        try:
            if kind_of(whole) is not None and is_volume(whole, "'scan'"):
                read_volume(sent(whole), ("t1",) if "dicom" in kind else CHANNELS, LIMITS)
        except GliorayError:
            refused += 1
    assert refused > 5


def _damaged(content, noise):
    """With a few bytes of its beginning changed, or cut off."""
    damaged = bytearray(content)
    for _ in range(noise.choice([1, 2, 8])):
        damaged[noise.randrange(min(len(damaged), 800))] = noise.choice([0, 127, 128, 255])
    return bytes(damaged[: noise.choice([len(damaged), len(damaged), noise.randrange(1, len(damaged))])])
