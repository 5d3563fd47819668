"""A prepared folder of tiny images, and bundles that fit it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from glioray.data.manifest import SCHEMA_VERSION, Facts, Leak, Manifest, Moments, PartCounts, Range, Settings, Shard
from glioray.data.prepared import PreparedDataset
from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Contents, Signature, SliceRecord
from glioray.data.shard_writer import ShardWriter, plan_shards
from glioray.data.split import ALWAYS, Split, part_names
from glioray.evaluation.result import Evaluation
from glioray.models import _contract as models
from glioray.recipe import Recipe
from glioray.registry.bundle import BundleConfig, ModelBundle
from glioray.serving.predictor import Predictor
from glioray.tasks import _contract as tasks

CLASSES = ("glioma", "meningioma", "notumor")
LABELS = {"necrotic": 1, "enhancing": 4}
REGIONS = {"TC": ("necrotic", "enhancing")}
EXAMINED = {
    "task": "segmentation",
    "outputs": ("edema",),
    "side": "test",
    "split": "test, split by group (seed 0)",
    "leak": None,
    "synthetic": False,
    "citation": "toy",
    "unit": "patients",
    "interval": "95 %",
}
MakeData = Callable[..., PreparedDataset]


@pytest.fixture(autouse=True)
def _coarse_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing is most of the time of an evaluation as small as these."""
    monkeypatch.setattr("glioray.evaluation.figures.DPI", 40)


class _Stub(Predictor):
    """Without a network."""

    def __init__(self, bundle: ModelBundle) -> None:
        loss = Recipe.from_values(bundle.config.recipe).loss
        object.__setattr__(self, "config", bundle.config)
        object.__setattr__(self, "task", tasks.build(bundle.config.contents, loss, num_patients=1))


@pytest.fixture
def answer_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[torch.Tensor], torch.Tensor]], None]:
    """Lets every model answer by a function of the images (N,C,S,S)."""

    def answer(function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        monkeypatch.setattr(Predictor, "predict", lambda self, images: function(images))
        monkeypatch.setattr(Predictor, "classified", lambda self, images: (function(images), 10 * function(images)))
        monkeypatch.setattr(Predictor, "load", classmethod(lambda cls, bundle, device="cpu": _Stub(bundle)))

    return answer


@pytest.fixture
def make_classification(tmp_path: Path) -> MakeData:
    """`make(labels, ...)`: a row a label in test, whose corner pixel is ten times its label; groups of two rows."""

    def make(
        labels: list[int], name: str = "data", size_px: int = 16, leak: Leak | None = None, folds: int | None = None
    ) -> PreparedDataset:
        def record(row: int, label: int, side: str) -> SliceRecord:
            image = np.full((1, size_px, size_px), 10 * label, dtype=np.uint8)
            return _record(image, None, label, f"{side}-g{row // 2:03}", None, 0, f"{side}/{row}.png")

        rows = {part: [record(i, label, part) for i, label in enumerate(labels)] for part in _parts(folds)}
        contents = Contents(task="classification", channels=("grey",), classes=CLASSES, citation="toy")
        return _write(tmp_path / name, rows, contents, size_px, leak, folds)

    return make


@pytest.fixture
def make_segmentation(tmp_path: Path) -> MakeData:
    """`make({patient: [mask, ...]})`: the test side; the image's first channel is the mask itself.

    Of a patient `A-1` the name is `A`, and `1` is which of the patient's cases it is.
    """

    def make(
        volumes: dict[str, list[np.ndarray]],
        name: str = "data",
        spacing_mm: tuple[float, float, float] | None = None,
        folds: int | None = None,
    ) -> PreparedDataset:
        def records(side: str) -> list[SliceRecord]:
            found = []
            for case, masks in sorted(volumes.items()):
                patient = f"{side}{case.split('-')[0]}"
                for index, mask in enumerate(masks):
                    image = np.stack([mask, mask])
                    row = _record(image, mask, None, patient, patient, index, f"{case}/{index}.tif")
                    found.append(replace(row, case_id=f"{side}{case}", spacing_mm=spacing_mm))
            return found

        contents = Contents(
            task="segmentation", channels=("flair", "t1ce"), labels=LABELS, regions=REGIONS, citation="toy"
        )
        size_px = next(iter(volumes.values()))[0].shape[-1]
        return _write(tmp_path / name, {part: records(part) for part in _parts(folds)}, contents, size_px, None, folds)

    return make


@pytest.fixture
def make_bundle() -> Callable[[PreparedDataset], ModelBundle]:
    """An untrained model of the smallest size that the data allow; further settings by dotted path."""

    def make(dataset: PreparedDataset, **settings: object) -> ModelBundle:
        manifest = dataset.manifest
        is_classifier = manifest.contents.task == "classification"
        model = {"name": "custom_cnn"} if is_classifier else {"name": "classic_unet", "base_filters": 2, "depth": 1}
        recipe = Recipe.from_values(
            {"task": manifest.contents.task, "data": {"path": "data"}, "model": model, "seed": 7}
        )
        for path, value in settings.items():
            recipe = recipe.with_values(path.replace("__", "."), value)
        config = BundleConfig.of(recipe, dataset, 1).model_copy(update={"leak": None})
        torch.manual_seed(0)
        size_px = 80 if is_classifier else dataset.signature.image_size
        signature = Signature(dataset.signature.in_channels, dataset.signature.out_channels, size_px)
        return ModelBundle(config, models.build(recipe.model, signature).state_dict())

    return make


@pytest.fixture
def evaluation() -> Evaluation:
    """Of nine patients on other data; without scores."""
    return evaluation_of()


def evaluation_of(**changes: object) -> Evaluation:
    """Of nine patients on other data, without scores, but for the changes."""
    found = Evaluation(
        **EXAMINED,
        model="classic_unet",
        rows=18,
        units=9,
        data_fingerprint="aaa",
        trained_on_fingerprint="bbb",
        seed=0,
        scores=(),
        undefined=(),
        confusion=None,
    )
    return found.model_copy(update=changes)


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


def _parts(folds: int | None) -> list[str]:
    return [part for part in part_names(folds) if folds is None or part != ALWAYS]


def _write(
    folder: Path, rows: dict, contents: Contents, size_px: int, leak: Leak | None, folds: int | None
) -> PreparedDataset:
    folder.mkdir()
    kind = "published" if leak else "group"
    pairs = [(row.group_id, part) for part, mine in rows.items() for row in mine]
    patients = [row.patient_id for mine in rows.values() for row in mine if row.patient_id]
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
            folds=folds,
            seed=0,
            val_fraction=0.2,
            test_fraction=0.2,
        ),
        contents=contents,
        counts={
            part: PartCounts(rows=len(mine), groups=len(split.on(part)), patients=0, rows_by_output={})
            for part, mine in rows.items()
        },
        # Mean 0 and spread 1: pixels reach the model as they are.
        moments={part: Moments(pixels=1, sums=(0,) * num_channels, squares=(1,) * num_channels) for part in rows},
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
    for side in rows:
        writer = ShardWriter(folder, notes, rows[side], groups, patients)
        for plan in plan_shards(side, range(len(rows[side])), rows[side][0]):
            writer(plan)
            shards.append(writer.note(plan)[0])
    shutil.rmtree(notes)
    return shards


def one_hot(images: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot(images[:, 0, 0, 0].long() // 10, 3).float()


def own_mask(images: torch.Tensor) -> torch.Tensor:
    return torch.stack([images[:, 0] == 1, images[:, 0] == 4], dim=1).float()


def disc(size_px: int, value: int, rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((size_px, size_px), dtype=np.uint8)
    mask[rows, columns] = value
    return mask
