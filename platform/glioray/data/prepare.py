"""Raw scans to a prepared folder: read, group, split, write, prove, and only then put in place.

Every step leaves what it made in a working folder beside OUT, so that the same command goes on after a kill.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import glioray
from glioray.data.archive import is_archive, safe_unpack
from glioray.data.facts import count, facts_of
from glioray.data.folder import check_output, put_in_place, require_space
from glioray.data.grouping import Grouping, group_rows
from glioray.data.job import Job, plan_job, refuse
from glioray.data.manifest import SCHEMA_VERSION, Manifest, Moments, Settings, Shard
from glioray.data.page import write_page
from glioray.data.plan import plan_notes
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import PreparedDataset
from glioray.data.progress import OnProgress, silent
from glioray.data.reading import PortionReader
from glioray.data.rows import StagedRecords, Staging, order_of
from glioray.data.runners import Runner
from glioray.data.shard_writer import ShardPlan, ShardWriter, plan_shards
from glioray.data.split import Split, part_names
from glioray.data.staging import Portion, load_staged, portions_of
from glioray.data.working import working_folder
from glioray.errors import DataError, UnreadableError
from glioray.remote import sha256_of

KEPT = " What was read is kept in a hidden folder beside OUT for the next run."


def prepare(
    source: str,
    raw: Path,
    out: Path,
    options: PrepareOptions,
    on_progress: OnProgress | None = None,
    runner: Runner | None = None,
) -> PreparedDataset:
    """Prepares RAW into OUT, whole or not at all; does nothing where OUT already holds just that.

    Args:
        source: name of a raw format, see `sources.names()`.
        raw: its folder, or a zip of it.
        out: new, empty, or prepared before, then replaced.
        options: what is asked.
        on_progress: called with (stage, done, total); stages are unpack, hash, read, group, write, and
            `already prepared` where there was nothing to do.
        runner: who reads and writes; by default threads of this process.

    Raises:
        DataError: raw scans or OUT cannot be used; OUT is left as it was.
    """
    tell = on_progress or silent
    # Actors of a cluster work elsewhere: relative paths would lead them astray.
    raw, out = raw.absolute(), (out.resolve() if out.is_symlink() or not out.name else out.absolute())
    check_output(out)
    with working_folder(out) as work:
        roots = _unpacked(raw, work, tell) if is_archive(raw) else [raw]
        job = _first_that_fits(source, roots, options, runner, tell)
        existing = _existing(out, job)
        if existing is not None:
            tell("already prepared", 1, 1)
            return existing
        staging = _read(job, work / "read")
        ready = _write(job, staging, work)
        put_in_place(ready, out)
    return PreparedDataset.open(out)


def _unpacked(archive: Path, work: Path, tell: OnProgress) -> list[Path]:
    """The folder of an archive's content, then those inside it that it only wraps."""
    folder = work / f"raw-{sha256_of(archive)[:16]}"  # not that of another archive
    folder.mkdir(exist_ok=True)
    safe_unpack(archive, folder, lambda done, total: tell("unpack", done, total))
    roots = [folder]
    while len(inner := list(roots[-1].iterdir())) == 1 and inner[0].is_dir():
        roots.append(inner[0])
    return roots


def _first_that_fits(
    source: str, roots: Sequence[Path], options: PrepareOptions, runner: Runner | None, tell: OnProgress
) -> Job:
    """The job of the outermost folder that is laid out as the source's."""
    *others, last = roots
    for root in others:
        try:
            return plan_job(source, root, options, runner, tell)
        except UnreadableError:
            raise
        except DataError:
            continue
    return plan_job(source, last, options, runner, tell)


def _existing(out: Path, job: Job) -> PreparedDataset | None:
    """What OUT holds, if that is just what is asked for and its shards are all there."""
    try:
        dataset = PreparedDataset.open(out)
        dataset.verify()
    except DataError:
        return None
    manifest = dataset.manifest
    found = job.found
    asked = (job.settings, job.contents, found.clinical, tuple(found.remarks), glioray.__version__)
    there = (manifest.settings, manifest.contents, manifest.clinical, manifest.remarks, manifest.glioray_version)
    same_refused = tuple(found.refused) == manifest.refused[: len(found.refused)]
    return dataset if asked == there and same_refused and (job.skip_unreadable or not manifest.refused) else None


def _read(job: Job, folder: Path) -> Staging:
    """Stages all cases, those that an earlier run did not."""
    folder.mkdir(exist_ok=True)
    settings = job.settings
    version, preprocessing = glioray.__version__, settings.preprocessing.model_dump()
    decisive = json.dumps([version, settings.source, settings.options, job.scans.task, preprocessing])
    portions = portions_of(job.found.cases, job.scans.root, job.digests, decisive)
    values, num_channels = tuple(job.contents.labels.values()), len(job.contents.channels)
    reader = PortionReader(settings.source, job.scans, settings.preprocessing, num_channels, values, folder)
    done, total = 0, len(job.found.cases)

    def on_done(portion: Portion) -> None:
        nonlocal done
        done += len(portion.cases)
        job.tell("read", done, total)

    job.runner(reader, portions, on_done)
    staging = Staging(tuple(load_staged(folder, portion.key) for portion in portions))
    refused = [entry for portion in staging.portions for entry in portion.refused]
    refuse(refused, total - len(refused), job.skip_unreadable, KEPT)
    if not staging.rows:
        raise DataError(f"{job.scans.root}: none of {total} cases could be read. The first: {refused[0].reason}")
    if staging.has_masks != (job.contents.task == "segmentation"):
        raise DataError(f"the source gives {'only' if staging.has_masks else 'no'} masks for {job.contents.task}")
    return staging


def _write(job: Job, staging: Staging, work: Path) -> Path:
    """Groups, splits and writes all files of the data set, then proves it from what was written."""
    settings, rows = job.settings, staging.rows
    grouping = group_rows(
        rows, staging.views(), settings, job.contents, job.given, lambda done, total: job.tell("group", done, total)
    )
    parts = [part for part in part_names(settings.folds) if part in set(grouping.parts)]
    orders = {part: order_of(part, rows, grouping, settings.seed, settings.drop_empty) for part in parts}
    if not all(orders.values()):
        raise DataError(f"drop_empty {settings.drop_empty} leaves nothing to train on: no slice of train shows a label")
    ready = work / f"ready-{_key(settings, grouping, orders)}"
    ready.mkdir(exist_ok=True)
    for half in ready.glob("split=*/.*"):  # of a shard that was being written when an earlier run was killed
        half.unlink()
    kept = [number for order in orders.values() for number in order]
    split = Split.of_rows(
        ((grouping.groups[i], grouping.parts[i]) for i in kept),
        settings.split,
        settings.seed,
        [row.patient_id for row in (rows[i] for i in kept) if row.patient_id is not None],
    )
    written = _write_shards(job, staging, grouping, split, orders, ready, work)
    _manifest(job, staging, grouping, orders, written).save(ready)
    split.save(ready)
    dataset = PreparedDataset.open(ready)
    dataset.verify()
    write_page(dataset, {part: histogram for part, (_, histogram) in written.items()}, plan_notes(dataset.manifest))
    return ready


def _key(settings: Settings, grouping: Grouping, orders: Mapping[str, Sequence[int]]) -> str:
    """Of all that decides the shards; an earlier run's are gone on with only under the same key."""
    facts = [settings.model_dump(mode="json"), grouping.groups, orders]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _write_shards(
    job: Job,
    staging: Staging,
    grouping: Grouping,
    split: Split,
    orders: Mapping[str, Sequence[int]],
    ready: Path,
    work: Path,
) -> dict[str, tuple[list[Shard], NDArray[np.int64]]]:
    """The shards of each part, and how often each value stands in each of its channels."""
    notes = work / f"notes-{ready.name}"
    notes.mkdir(exist_ok=True)
    records = StagedRecords(staging, tuple(grouping.groups))
    plans = {part: plan_shards(part, order, records[0]) for part, order in orders.items()}
    wanted = [plan for part in plans.values() for plan in part]
    require_space(work.parent, sum(len(plan.rows) for plan in wanted) * int(np.prod(staging.shape)) // 4)
    writer = ShardWriter(
        ready,
        notes,
        records,
        {group: index for index, group in enumerate(split.groups)},
        {patient: index for index, patient in enumerate(split.patients)},
    )
    done = 0

    def on_done(_plan: ShardPlan) -> None:
        nonlocal done
        done += 1
        job.tell("write", done, len(wanted))

    job.runner(writer, wanted, on_done)
    written = {}
    for part, its_plans in plans.items():
        shards, histograms = zip(*(writer.note(plan) for plan in its_plans), strict=True)
        written[part] = (list(shards), np.sum(histograms, axis=0))
    return written


def _manifest(
    job: Job,
    staging: Staging,
    grouping: Grouping,
    orders: Mapping[str, Sequence[int]],
    written: Mapping[str, tuple[list[Shard], NDArray[np.int64]]],
) -> Manifest:
    rows = staging.rows
    counts = {
        part: count([rows[i] for i in order], [grouping.groups[i] for i in order], job.contents)
        for part, order in orders.items()
    }
    unread = [entry for portion in staging.portions for entry in portion.refused]
    return Manifest(
        schema_version=SCHEMA_VERSION,
        glioray_version=glioray.__version__,
        settings=job.settings,
        contents=job.contents,
        counts=counts,
        moments={part: _moments(histogram) for part, (_, histogram) in written.items()},
        facts=facts_of(rows, len(job.found.cases) - len(unread), list(counts.values()), job.contents),
        duplicates=grouping.duplicates,
        leak=grouping.leak,
        refused=(*job.found.refused, *unread),
        remarks=tuple(job.found.remarks),
        clinical=job.found.clinical,
        shards=tuple(shard for shards, _ in written.values() for shard in shards),
    )


def _moments(histogram: NDArray[np.int64]) -> Moments:
    values = np.arange(256, dtype=np.int64)
    return Moments(
        pixels=int(histogram[0].sum()),
        sums=tuple(int(value) for value in (histogram * values).sum(axis=1)),
        squares=tuple(int(value) for value in (histogram * values**2).sum(axis=1)),
    )
