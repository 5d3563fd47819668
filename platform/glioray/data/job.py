"""What is going to be prepared: found, checked and hashed before a pixel is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glioray.data import sources
from glioray.data.archive import inside
from glioray.data.budget import threads_within
from glioray.data.given_split import GivenSplit, read_given_split
from glioray.data.manifest import Settings
from glioray.data.prepare_options import PrepareOptions
from glioray.data.progress import OnProgress
from glioray.data.records import Case, Contents, Found, Refused
from glioray.data.runners import Runner, in_order, run_here
from glioray.data.sources import RawScans
from glioray.data.staging import facts_of_case
from glioray.errors import DataError, UnreadableError
from glioray.remote import sha256_of

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


def plan_job(name: str, root: Path, options: PrepareOptions, runner: Runner | None, tell: OnProgress) -> Job:
    """Everything that is decided before a pixel is read.

    Raises:
        DataError: the raw scans, the options or the given split cannot be used.
    """
    source = sources.load(name)
    scans = sources.raw_scans(source, root, options.task, options.source_options)
    contents = source.describe(scans)
    found, digests = _usable(scans, source.find(scans), options, tell)
    preprocessing = source.default_preprocessing(scans)
    if options.image_size is not None:
        preprocessing = preprocessing.model_copy(update={"image_size": options.image_size})
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
    by_whom = runner or run_here(threads_within(options, contents.task))
    return Job(scans, found, contents, settings, digests, given, options.skip_unreadable, by_whom, tell)


def _require_what_can_be_dropped(share: float, contents: Contents, given: GivenSplit | None) -> None:
    if contents.task == "classification":
        raise DataError(f"drop_empty {share} leaves out slices that show no label, but these are images of classes")
    if given and given.folds:
        raise DataError(f"drop_empty {share} would take slices from test too, since {given.path} is a list of folds")


def _usable(
    scans: RawScans[Any], found: Found, options: PrepareOptions, tell: OnProgress
) -> tuple[Found, dict[Path, str]]:
    """The cases to read, as many as asked for, and the SHA-256 of each of their files.

    Left out are those that a link leads out of the folder for, and those of which a file cannot be opened.
    """
    chosen = _limited(found.cases, options.limit)
    outside = {path for case in chosen for path in case.files if not inside(scans.root, path)}
    files = dict.fromkeys(path for case in chosen for path in case.files if path not in outside)
    digests, unopened = _digests(list(files), options.num_threads, tell)
    cases, refused = [], list(found.refused)
    for case in chosen:
        if path := next((path for path in case.files if path in outside), None):
            reason = f"{scans.name(path)} is a link that leads out of the folder. Put the file itself there."
            refused.append(Refused(source=case.case_id, reason=reason))
        elif path := next((path for path in case.files if path in unopened), None):
            refused.append(
                Refused(source=case.case_id, reason=f"{scans.name(path)}: cannot be opened ({unopened[path]}).")
            )
        else:
            cases.append(case)
    refuse(refused, len(cases), options.skip_unreadable)
    if not cases:
        first = refused[0].reason if refused else "none found"
        raise DataError(f"{scans.root}: no case can be used. The first: {first}")
    return Found(cases, refused, found.remarks, found.clinical), digests


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


def _digests(files: Sequence[Path], num_threads: int, tell: OnProgress) -> tuple[dict[Path, str], dict[Path, str]]:
    """SHA-256 of each file, and of those that cannot be opened why."""
    digests, unopened = {}, {}
    for done, (path, found) in enumerate(zip(files, in_order(_digest, files, num_threads), strict=True)):
        if isinstance(found, OSError):
            unopened[path] = found.strerror or str(found)
        else:
            digests[path] = found
        tell("hash", done + 1, len(files))
    return digests, unopened


def _digest(path: Path) -> str | OSError:
    try:
        return sha256_of(path)
    except OSError as error:
        return error


def _source_hash(scans: RawScans[Any], cases: Sequence[Case], digests: Mapping[Path, str]) -> str:
    """SHA-256 over all cases, in order: what is said of each, and the names and contents of its files."""
    total = hashlib.sha256()
    for case in cases:
        total.update(json.dumps(facts_of_case(case, scans.root, digests)).encode())
    return total.hexdigest()
