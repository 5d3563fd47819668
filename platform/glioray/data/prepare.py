"""Raw scans to a prepared folder: read, group, split, write, prove, and only then put in place."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

import glioray
from glioray.data import sources
from glioray.data.folder import atomic_folder, check_output
from glioray.data.grouping import group_rows
from glioray.data.manifest import SCHEMA_VERSION, Manifest, Settings, Shard
from glioray.data.page import write_page
from glioray.data.prepared import PreparedDataset
from glioray.data.reading import Reading, read_cases, source_hash
from glioray.data.records import SIDES, Case, Contents, Side, TaskName
from glioray.data.rows import StagedRecords, count, normalization_of, order_of
from glioray.data.shards import write_shards
from glioray.data.split import Split, SplitKind
from glioray.errors import DataError

OnProgress = Callable[[str, int, int], None]
MOST_AUTOMATIC_WORKERS = 8


class PrepareOptions(BaseModel):
    """How a data set is prepared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: TaskName | None = Field(None, description="what to train for; the source's own task where none")
    image_size: int = Field(128, ge=16, le=1024, multiple_of=16, description="side of the prepared image, px")
    seed: int = Field(0, ge=0, lt=2**32, description="of the split and of the order of training rows")
    split: SplitKind = Field("group", description="group: honest; published: the data set's own, with its leak")
    val_fraction: float = Field(0.15, gt=0, lt=0.5, description="part of the images for val")
    test_fraction: float = Field(0.15, gt=0, lt=0.5, description="part of the images for test")
    skip_unreadable: bool = Field(False, description="list unreadable files in the manifest and go on")
    limit: int | None = Field(None, ge=3, description="read this many cases only, spread over all")
    workers: int = Field(0, ge=0, le=64, description="threads that read; 0: one a core")

    @model_validator(mode="after")
    def _leaves_training(self) -> PrepareOptions:
        if self.val_fraction + self.test_fraction > 0.8:
            raise ValueError(
                f"val_fraction {self.val_fraction} + test_fraction {self.test_fraction} leave under 0.2 for training"
            )
        return self


def prepare(
    source: str, raw: Path, out: Path, options: PrepareOptions, on_progress: OnProgress | None = None
) -> PreparedDataset:
    """Prepares RAW into OUT, whole or not at all; does nothing where OUT already holds just that.

    Args:
        source: name of a raw format, see `sources.names()`.
        raw: its folder.
        out: new, empty, or prepared before, then replaced.
        options: what is asked.
        on_progress: called with (stage, done, total); stages are hash, read, group, write, and
            `already prepared` where there was nothing to do.

    Raises:
        DataError: raw scans or OUT cannot be used; OUT is left as it was.
    """
    tell = on_progress or _silent
    format_ = sources.load(source)
    out = out.resolve() if out.is_symlink() or not out.name else out
    check_output(out)
    contents = format_.describe(options.task)
    cases = _limited(format_.find(raw, options.task), options.limit)
    settings = Settings(
        source=source,
        source_hash=source_hash(raw, cases, _workers(options), tell),
        preprocessing=format_.default_preprocessing(options.task).model_copy(update={"image_size": options.image_size}),
        split=options.split,
        seed=options.seed,
        val_fraction=options.val_fraction,
        test_fraction=options.test_fraction,
    )
    existing = _existing(out, settings, contents, options)
    if existing is not None:
        tell("already prepared", 1, 1)
        return existing
    with atomic_folder(out) as partial:
        reading = read_cases(
            format_,
            raw,
            cases,
            settings.preprocessing,
            partial,
            _workers(options),
            options.skip_unreadable,
            tell,
        )
        _check_masks(reading, contents)
        _write(partial, reading, settings, contents, tell)
    return PreparedDataset.open(out)


def _silent(_stage: str, _done: int, _total: int) -> None:
    pass


def _existing(out: Path, settings: Settings, contents: Contents, options: PrepareOptions) -> PreparedDataset | None:
    """What OUT holds, if that is just what is asked for and its shards are all there."""
    try:
        dataset = PreparedDataset.open(out)
        dataset.verify()
    except DataError:
        return None
    manifest = dataset.manifest
    same = (manifest.settings, manifest.contents, manifest.glioray_version) == (
        settings,
        contents,
        glioray.__version__,
    )
    return dataset if same and (options.skip_unreadable or not manifest.refused) else None


def _check_masks(reading: Reading, contents: Contents) -> None:
    if (reading.masks is not None) != (contents.task == "segmentation"):
        raise DataError(f"the source gives {'no' if reading.masks is None else 'only'} masks for {contents.task}")


def _write(folder: Path, reading: Reading, settings: Settings, contents: Contents, tell: OnProgress) -> PreparedDataset:
    """Groups, splits and writes all files of the data set, then proves it from what was written."""
    grouping = group_rows(
        reading.rows,
        reading.thumbnails if reading.views else (),
        settings.split,
        settings.seed,
        settings.val_fraction,
        settings.test_fraction,
        lambda done, total: tell("group", done, total),
    )
    patients = [row.patient_id for row in reading.rows if row.patient_id is not None]
    split = Split.of_rows(zip(grouping.groups, grouping.sides, strict=True), settings.split, settings.seed, patients)
    records = {
        side: StagedRecords(reading, grouping.groups, order_of(side, reading, grouping, settings.seed))
        for side in SIDES
    }
    shards = _write_sides(folder, records, split, tell)
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        glioray_version=glioray.__version__,
        settings=settings,
        contents=contents,
        sides={side: count(records[side], contents) for side in SIDES},
        normalization=normalization_of(records["train"]),
        duplicates=grouping.duplicates,
        leak=grouping.leak,
        refused=tuple(reading.refused),
        shards=shards,
    )
    manifest.save(folder)
    split.save(folder)
    reading.remove_staged()
    dataset = PreparedDataset.open(folder)
    dataset.verify()
    write_page(dataset)
    return dataset


def _write_sides(
    folder: Path, records: Mapping[Side, StagedRecords], split: Split, tell: OnProgress
) -> tuple[Shard, ...]:
    group_index = {group: index for index, group in enumerate(split.groups)}
    patient_index = {patient: index for index, patient in enumerate(split.patients)}
    shards: list[Shard] = []
    for done, side in enumerate(SIDES):
        shards += write_shards(folder, side, records[side], group_index, patient_index)
        tell("write", done + 1, len(SIDES))
    return tuple(shards)


def _workers(options: PrepareOptions) -> int:
    return options.workers or min(MOST_AUTOMATIC_WORKERS, os.cpu_count() or 1)


def _limited(cases: list[Case], limit: int | None) -> list[Case]:
    """That many cases, evenly spread, so that every class and side keeps some."""
    if limit is None or limit >= len(cases):
        return cases
    return [cases[i * len(cases) // limit] for i in range(limit)]
