"""Volumes through the network: the same as evaluation, slice for slice, and back in the grid that was sent."""

from __future__ import annotations

import asyncio
import gzip
import io
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image
from tests.serving.sent import LIMITS, OBLIQUE, form

from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.preprocessing import prepare_volume, restore_mask
from glioray.data.sources import brats_nifti, raw_scans
from glioray.evaluation.side import SideRows
from glioray.serving.nifti_mask import nifti_mask
from glioray.serving.problems import Problem
from glioray.serving.upload import FILE, Sent, Upload
from glioray.serving.volumes import Progress, SegmentedVolume, segment_volume

SHAPE = (24, 28, 6)
SAGITTAL = np.array([[0, 0, 2.0, 7.0], [1.0, 0, 0, 8.0], [0, -1.0, 0, 9.0], [0, 0, 0, 1]])


def run(predictor, sent, batch_size=4):
    async def all_steps():
        return [step async for step in segment_volume(predictor, sent, LIMITS, batch_size)]

    return asyncio.run(all_steps())


def mask_file(segmented):
    return nibabel.Nifti1Image.from_bytes(gzip.decompress(b"".join(nifti_mask(segmented.mask, segmented.place))))


def test_the_served_masks_are_those_that_evaluation_predicts(tmp_path, volume_bundle, volume_segmenter, head_of):
    for number in range(8):
        _write_case(tmp_path / "raw" / f"case{number}", head_of(SHAPE, number))
    options = PrepareOptions(image_size=32, test_fraction=0.3, workers=1)
    data = prepare("brats_nifti", tmp_path / "raw", tmp_path / "data", options)
    assert data.manifest.settings.preprocessing == volume_bundle.config.preprocessing
    rows = SideRows.read(data, "test")
    evaluated = defaultdict(list)
    maps = [
        volume_segmenter.label_map(predicted)
        for _, predicted in rows.predicted(volume_segmenter, 5, lambda done, total: None)
    ]
    for row, label_map in zip(rows.identity, torch.cat(maps).numpy(), strict=True):
        evaluated[row.case_id].append((row.slice_index, label_map))

    assert len(evaluated) >= 2
    scans = raw_scans(brats_nifti, tmp_path / "raw")
    for case in brats_nifti.find(scans).cases:
        if case.case_id in evaluated:
            files = dict(zip(("t1", "t1ce", "t2", "flair"), case.files, strict=False))
            *_, segmented = run(volume_segmenter, form({name: path.read_bytes() for name, path in files.items()}))
            frame = prepare_volume(brats_nifti.read(scans, case).image, volume_bundle.config.preprocessing).frame
            ordered = np.stack([label_map for _, label_map in sorted(evaluated[case.case_id], key=lambda one: one[0])])
            np.testing.assert_array_equal(segmented.mask, restore_mask(ordered, frame))
            assert len(np.unique(segmented.mask)) > 1


def _write_case(folder: Path, head):
    folder.mkdir(parents=True)
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    for name, voxels in {**head, "seg": (head["t1"] > 900).astype(np.uint8)}.items():
        nibabel.save(nibabel.Nifti1Image(voxels, affine), folder / f"{folder.name}_{name}.nii.gz")


def test_a_slice_is_scaled_with_its_volume_and_not_alone(volume_segmenter, head_of, nifti_of):
    head = head_of()
    bright = {name: np.concatenate([voxels, 8 * voxels[:, :, -1:]], axis=2) for name, voxels in head.items()}

    masks = [
        run(volume_segmenter, form({name: nifti_of(voxels) for name, voxels in scan.items()}))[-1].mask
        for scan in (head, bright)
    ]

    assert (masks[0] != masks[1][:-1]).any()


def test_the_size_of_a_batch_changes_no_label_and_progress_counts_slices(volume_segmenter, head_of, nifti_of):
    sent = form({name: nifti_of(voxels) for name, voxels in head_of().items()})

    one, all_at_once = run(volume_segmenter, sent, 1), run(volume_segmenter, sent, 64)

    np.testing.assert_array_equal(one[-1].mask, all_at_once[-1].mask)
    assert one[:-1] == [Progress(done, 6) for done in range(7)]
    assert all_at_once[:-1] == [Progress(0, 6), Progress(6, 6)]


@pytest.mark.parametrize("affine", [OBLIQUE, SAGITTAL, np.diag([1.0, 1.0, 3.0, 1.0])])
def test_the_mask_comes_back_in_the_axes_and_at_the_place_of_the_scan(volume_segmenter, head_of, nifti_of, affine):
    files = {name: nifti_of(voxels, affine) for name, voxels in head_of((24, 28, 20)).items()}
    scan = nibabel.Nifti1Image.from_bytes(files["t1"])

    *_, segmented = run(volume_segmenter, form(files))

    mask = mask_file(segmented)
    np.testing.assert_array_equal(mask.affine, scan.affine)
    assert mask.shape == scan.shape
    assert mask.get_data_dtype() == np.uint8
    assert [int(mask.header[code]) for code in ("qform_code", "sform_code")] == [
        int(scan.header["qform_code"]),
        int(scan.header["sform_code"]),
    ]


def test_a_label_lies_on_the_very_voxel_that_the_scan_has_it(volume_segmenter, head_of, nifti_of):
    """The network is replaced by one that marks the brightest voxels of t1, wherever the axes of the file put them."""

    class Brightest(torch.nn.Module):
        def forward(self, images):
            marked = (images[:, :1] > images[:, :1].amax() - 1e-3).float()
            return torch.cat([marked, 0 * marked, 0 * marked], dim=1) * 20 - 10

    predictor = replace(volume_segmenter, network=Brightest())
    for affine in (OBLIQUE, SAGITTAL, np.diag([-1.0, -1.0, 2.0, 1.0])):
        head = head_of((32, 32, 32), seed=3)
        place = (9, 20, 13)
        for voxels in head.values():
            voxels[place] = 30_000
        *_, segmented = run(predictor, form({n: nifti_of(v, affine) for n, v in head.items()}), batch_size=64)

        marked = np.argwhere(mask_file(segmented).get_fdata() > 0)
        assert place in {tuple(at) for at in marked.tolist()}


def test_millilitres_are_of_the_voxels_as_the_affine_has_them(volume_segmenter, head_of, nifti_of):
    files = {name: nifti_of(voxels, OBLIQUE) for name, voxels in head_of().items()}

    *_, segmented = run(volume_segmenter, form(files))

    loaded = mask_file(segmented)
    voxel_ml = abs(np.linalg.det(loaded.affine)) / 1000
    assert segmented.place.voxel_ml == pytest.approx(voxel_ml)
    assert sum(segmented.pixels["edema"]) == int((np.asarray(loaded.dataobj) == 2).sum()) > 0


def test_others_on_the_loop_get_through_between_two_batches(volume_segmenter, head_of, nifti_of):
    sent = form({name: nifti_of(voxels) for name, voxels in head_of().items()})

    async def go():
        done, answered_at = [], []

        async def request():
            for _ in range(20):
                await asyncio.sleep(0)
            answered_at.append(len(done))

        others = []
        async for step in segment_volume(volume_segmenter, sent, LIMITS, batch_size=1):
            done.append(step)
            if len(done) == 2:
                others.append(asyncio.create_task(request()))
        await asyncio.gather(*others)
        return answered_at

    assert asyncio.run(go())[0] <= 3


def test_the_fullest_slice_is_the_one_with_the_most_labels_and_the_middle_of_none():
    def volume(*areas):
        return SegmentedVolume((len(areas), 4, 4), b"", {"a": areas, "b": (0,) * len(areas)}, {}, None, None)

    assert volume(1, 5, 2, 5).fullest_slice == 1
    assert volume(0, 0, 0, 0).fullest_slice == 2


def test_pictures_are_of_the_slices_as_they_lie_in_the_mask(volume_segmenter, head_of, nifti_of):
    head = head_of()
    *_, segmented = run(volume_segmenter, form({name: nifti_of(voxels) for name, voxels in head.items()}))

    assert segmented.shown == segmented.pictures["flair"]
    assert list(segmented.pictures) == list(head)
    for name, pictures in segmented.pictures.items():
        for slice_, picture in zip(head[name].T.astype(float), pictures, strict=True):
            shown = np.asarray(Image.open(io.BytesIO(picture))).astype(float)
            assert np.corrcoef(shown.ravel(), slice_.ravel())[0, 1] > 0.99


def test_what_cannot_be_read_is_one_problem_and_no_progress(volume_segmenter, head_of, nifti_of):
    sent = Sent({FILE: Upload(nifti_of(head_of()["t1"])[:2000], "'half.nii'")})

    (problem,) = run(volume_segmenter, sent)

    assert isinstance(problem, Problem)
    assert problem.status in (400, 422)
    assert "half.nii" in problem.detail


def test_a_reader_that_breaks_is_a_problem_of_the_file_and_is_logged(volume_segmenter, monkeypatch, caplog):
    def broken(*_):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("glioray.serving.volumes.read_volume", broken)

    (problem,) = run(volume_segmenter, Sent({FILE: Upload(b"x", "'a'")}))

    assert problem.status == 400
    assert "secret" not in problem.detail
    assert "ZeroDivisionError" in caplog.text
