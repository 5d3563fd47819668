"""A prepared folder of tiny images, and bundles that fit it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from glioray.data.manifest import SCHEMA_VERSION, Facts, Leak, Manifest, Moments, PartCounts, Range, Settings, Shard
from glioray.data.prepared import PreparedDataset
from glioray.data.preprocessing import Preprocessing
from glioray.data.records import SIDES, Contents, Signature, SliceRecord
from glioray.data.shard_writer import ShardWriter, plan_shards
from glioray.data.split import Split
from glioray.models import _contract as models
from glioray.recipe import Recipe
from glioray.registry.bundle import BundleConfig, ModelBundle, versions

CLASSES = ("glioma", "meningioma", "notumor")
LABELS = {"necrotic": 1, "enhancing": 4}
REGIONS = {"TC": ("necrotic", "enhancing")}
MakeData = Callable[..., PreparedDataset]


@pytest.fixture(autouse=True)
def _coarse_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing is most of the time of an evaluation as small as these."""
    monkeypatch.setattr("glioray.evaluation.figures.DPI", 40)


@pytest.fixture
def make_classification(tmp_path: Path) -> MakeData:
    """`make(labels, ...)`: a row a label in test, whose corner pixel is ten times its label; groups of two rows."""

    def make(labels: list[int], name: str = "data", size_px: int = 16, leak: Leak | None = None) -> PreparedDataset:
        def record(row: int, label: int, side: str) -> SliceRecord:
            image = np.full((1, size_px, size_px), 10 * label, dtype=np.uint8)
            return _record(image, None, label, f"{side}-g{row // 2:03}", None, 0, f"{side}/{row}.png")

        rows = {side: [record(i, label, side) for i, label in enumerate(labels)] for side in SIDES}
        contents = Contents(task="classification", channels=("grey",), classes=CLASSES, citation="toy")
        return _write(tmp_path / name, rows, contents, size_px, leak)

    return make


@pytest.fixture
def make_segmentation(tmp_path: Path) -> MakeData:
    """`make({patient: [mask, ...]})`: the test side; the image's first channel is the mask itself."""

    def make(volumes: dict[str, list[np.ndarray]], name: str = "data") -> PreparedDataset:
        def records(side: str) -> list[SliceRecord]:
            return [
                _record(
                    np.stack([mask, mask]),
                    mask,
                    None,
                    f"{side}{patient}",
                    f"{side}{patient}",
                    index,
                    f"{patient}/{index}.tif",
                )
                for patient, masks in sorted(volumes.items())
                for index, mask in enumerate(masks)
            ]

        contents = Contents(
            task="segmentation", channels=("flair", "t1ce"), labels=LABELS, regions=REGIONS, citation="toy"
        )
        size_px = next(iter(volumes.values()))[0].shape[-1]
        return _write(tmp_path / name, {side: records(side) for side in SIDES}, contents, size_px, None)

    return make


@pytest.fixture
def make_bundle() -> Callable[[PreparedDataset], ModelBundle]:
    """An untrained model of the smallest size that the data allow."""

    def make(dataset: PreparedDataset) -> ModelBundle:
        manifest = dataset.manifest
        is_classifier = manifest.contents.task == "classification"
        model = {"name": "custom_cnn"} if is_classifier else {"name": "classic_unet", "base_filters": 2, "depth": 1}
        recipe = Recipe.from_values(
            {"task": manifest.contents.task, "data": {"path": "data"}, "model": model, "seed": 7}
        )
        config = BundleConfig(
            recipe=recipe.values(),
            signature=dataset.signature,
            contents=manifest.contents,
            preprocessing=manifest.settings.preprocessing,
            normalization=manifest.normalization,
            data_fingerprint=manifest.fingerprint,
            source_hash=manifest.settings.source_hash,
            learned_from=tuple(sorted(dataset.case_hashes("train") | dataset.case_hashes("val"))),
            leak=None,
            epoch=1,
            versions=versions(),
        )
        torch.manual_seed(0)
        size_px = 80 if is_classifier else dataset.signature.image_size
        signature = Signature(dataset.signature.in_channels, dataset.signature.out_channels, size_px)
        return ModelBundle(config, models.build(recipe.model, signature).state_dict())

    return make


def _record(
    image: np.ndarray,
    mask: np.ndarray | None,
    label: int | None,
    group_id: str,
    patient_id: str | None,
    slice_index: int,
    source: str,
) -> SliceRecord:
    """A row whose figures no evaluation looks at."""
    return SliceRecord(
        image=image,
        mask=mask,
        label=label,
        group_id=group_id,
        patient_id=patient_id,
        case_id=patient_id or source,
        case_hash=f"hash of {patient_id or source}",
        slice_index=slice_index,
        source=source,
        brain_mean=1.0,
        brain_std=1.0,
        brain_fraction=1.0,
        raw_size_px=image.shape[1:],
        spacing_mm=None,
        label_pixels=() if mask is None else tuple(int((mask == value).sum()) for value in LABELS.values()),
        intensity=((0.0, 1.0),) * len(image),
    )


def _write(folder: Path, rows: dict, contents: Contents, size_px: int, leak: Leak | None) -> PreparedDataset:
    folder.mkdir()
    kind = "published" if leak else "group"
    pairs = [(row.group_id, side) for side in SIDES for row in rows[side]]
    patients = [row.patient_id for side in SIDES for row in rows[side] if row.patient_id]
    split = Split.of_rows(pairs, kind, 0, patients)
    split.save(folder)
    preprocessing = Preprocessing(image_size=size_px, crop_head=False, intensity="as_is")
    size = Range.of([size_px])
    num_channels = len(contents.channels)
    Manifest(
        schema_version=SCHEMA_VERSION,
        glioray_version="0",
        settings=Settings(
            source="toy",
            source_hash="0",
            preprocessing=preprocessing,
            split=kind,
            seed=0,
            val_fraction=0.2,
            test_fraction=0.2,
        ),
        contents=contents,
        counts={
            side: PartCounts(rows=len(rows[side]), groups=len(split.on(side)), patients=0, rows_by_output={})
            for side in SIDES
        },
        # Mean 0 and spread 1: pixels reach the model as they are.
        moments={side: Moments(pixels=1, sums=(0,) * num_channels, squares=(1,) * num_channels) for side in SIDES},
        facts=Facts(cases=1, height_px=size, width_px=size, slices=size, shares={}),
        duplicates=None,
        leak=leak,
        refused=(),
        shards=tuple(_shards(folder, rows, split)),
    ).save(folder)
    return PreparedDataset.open(folder)


def _shards(folder: Path, rows: dict, split: Split) -> list[Shard]:
    notes = folder.with_name(f"{folder.name}-notes")
    notes.mkdir()
    groups, patients = ({name: index for index, name in enumerate(names)} for names in (split.groups, split.patients))
    shards = []
    for side in SIDES:
        writer = ShardWriter(folder, notes, rows[side], groups, patients)
        for plan in plan_shards(side, range(len(rows[side])), rows[side][0]):
            writer(plan)
            shards.append(writer.note(plan)[0])
    shutil.rmtree(notes)
    return shards
