"""What is going to be prepared: found, checked and hashed before a pixel is read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glioray.data import sources
from glioray.data.archive import inside
from glioray.data.given_split import GivenSplit, read_given_split
from glioray.data.manifest import Settings
from glioray.data.prepare_options import PrepareOptions
from glioray.data.reading import digest
from glioray.data.records import Case, Contents, Found, Refused
from glioray.data.runners import Runner, in_order
from glioray.data.sources import RawScans
from glioray.errors import DataError, UnreadableError

OnProgress = Callable[[str, int, int], None]
MOST_NAMED = 20


@dataclass(frozen=True)
class Job:
    """What is prepared, from where, how, and by whom."""

    scans: RawScans[Any]
    found: Found
    contents: Contents
    settings: Settings
    digests: Mapping[Path, str]
    given: GivenSplit | None
    skip_unreadable: bool
    runner: Runner
    tell: OnProgress


def plan_job(name: str, root: Path, options: PrepareOptions, runner: Runner, tell: OnProgress) -> Job:
    """Everything that is decided before a pixel is read.

    Raises:
        DataError: the raw scans, the options or the given split cannot be used.
    """
    source = sources.load(name)
    scans = sources.raw_scans(source, root, options.task, options.source_options)
    contents = source.describe(scans)
    found = _usable(scans, source.find(scans), options)
    preprocessing = source.default_preprocessing(scans)
    if options.image_size is not None:
        preprocessing = preprocessing.model_copy(update={"image_size": options.image_size})
    digests = _digests(found.cases, options.num_threads, tell)
    given = read_given_split(options.split_file) if options.split_file else None
    if options.drop_empty:
        _require_what_can_be_dropped(options.drop_empty, contents, given)
    settings = Settings(
        source=name,
        options=scans.options.model_dump(mode="json"),
        source_hash=_source_hash(scans, found.cases, digests),
        preprocessing=preprocessing,
        split="file" if given else options.split,
        split_hash=given.digest if given else None,
        folds=given.folds if given else options.folds,
        seed=options.seed,
        val_fraction=options.val_fraction,
        test_fraction=options.test_fraction,
        drop_empty=options.drop_empty,
    )
    return Job(scans, found, contents, settings, digests, given, options.skip_unreadable, runner, tell)


def _require_what_can_be_dropped(share: float, contents: Contents, given: GivenSplit | None) -> None:
    if contents.task == "classification":
        raise DataError(f"drop_empty {share} leaves out slices that show no label, but these are images of classes")
    if given and given.folds:
        raise DataError(f"drop_empty {share} would take slices from test too, since {given.path} is a list of folds")


def _usable(scans: RawScans[Any], found: Found, options: PrepareOptions) -> Found:
    """The cases to read: as many as asked for, none that a link leads out of the folder for."""
    cases, refused = [], list(found.refused)
    for case in _limited(found.cases, options.limit):
        outside = [path for path in case.files if not inside(scans.root, path)]
        if outside:
            reason = f"{scans.name(outside[0])} is a link that leads out of the folder. Put the file itself there."
            refused.append(Refused(source=case.case_id, reason=reason))
        else:
            cases.append(case)
    refuse(refused, len(cases), options.skip_unreadable)
    if not cases:
        raise DataError(
            f"{scans.root}: no case can be used. The first: {refused[0].reason if refused else 'none found'}"
        )
    return Found(cases, refused, found.remarks, found.clinical)


def _limited(cases: list[Case], limit: int | None) -> list[Case]:
    """That many cases, evenly spread, so that every class and side keeps some."""
    if limit is None or limit >= len(cases):
        return cases
    return [cases[i * len(cases) // limit] for i in range(limit)]


def refuse(refused: Sequence[Refused], num_usable: int, skip_unreadable: bool, more: str = "") -> None:
    """Ends a preparation that was not told to leave files out.

    Args:
        refused: what cannot be used.
        num_usable: how many cases can.
        skip_unreadable: whether to go on without them.
        more: to say beside.

    Raises:
        UnreadableError: names all of them, or the first ones.
    """
    if not refused or skip_unreadable:
        return
    reasons = [entry.reason if entry.reason.endswith((".", "!", "?")) else f"{entry.reason}." for entry in refused]
    if len(reasons) == 1:
        raise UnreadableError(f"{reasons[0]} Mend or remove it, or leave it out with --skip-unreadable.{more}")
    others = [f"and {len(reasons) - MOST_NAMED} more"] if len(reasons) > MOST_NAMED else []
    lines = "\n  ".join([*reasons[:MOST_NAMED], *others])
    raise UnreadableError(
        f"{len(reasons)} of {len(reasons) + num_usable} cases cannot be used:\n  {lines}\n"
        f"Mend or remove them, or leave them out with --skip-unreadable.{more}"
    )


def _digests(cases: Sequence[Case], num_threads: int, tell: OnProgress) -> dict[Path, str]:
    files = list(dict.fromkeys(path for case in cases for path in case.files))
    digests = {}
    for done, (path, found) in enumerate(zip(files, in_order(digest, files, num_threads), strict=True)):
        digests[path] = found
        tell("hash", done + 1, len(files))
    return digests


def _source_hash(scans: RawScans[Any], cases: Sequence[Case], digests: Mapping[Path, str]) -> str:
    """SHA-256 over the names and contents of all files, in order."""
    total = hashlib.sha256()
    for case in cases:
        for path in case.files:
            total.update(f"{scans.name(path)}\0{digests[path]}\n".encode())
    return total.hexdigest()
