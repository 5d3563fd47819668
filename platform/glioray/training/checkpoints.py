"""The checkpoints of a run: each appears whole, carries the hash of its files, and is checked before it is used.

The worker keeps them, not Ray Train: that (2.60) forgets a checkpoint whose report a killed worker left unread, refuses
a run whose list names one that is gone, and checks none.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from glioray.errors import FullDiskError
from glioray.plain_values import from_json
from glioray.registry.run_folder import HASHES
from glioray.remote import sha256_of

_FULL = (errno.ENOSPC, errno.EDQUOT)
Say = Callable[[str], None]


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run, by epoch."""
    return sorted(folder.glob("checkpoint_[0-9]*"))


def checkpoint_name(epoch: int) -> str:
    """Folder of an epoch's checkpoint; sorts by epoch."""
    return f"checkpoint_{epoch:05d}"


def epoch_of(checkpoint: Path) -> int:
    """The epoch that a checkpoint's folder is named for."""
    return int(checkpoint.name.removeprefix("checkpoint_"))


def seal(checkpoint: Path) -> None:
    """Writes the sha256 of each file, last of all: a checkpoint without it was not finished."""
    hashes = {file.name: sha256_of(file) for file in sorted(checkpoint.iterdir()) if file.name != HASHES}
    (checkpoint / HASHES).write_text(json.dumps(hashes, indent=1) + "\n")


def damage(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, or none where each file is as it was written."""
    try:
        hashes: dict[str, str] = from_json((checkpoint / HASHES).read_bytes())
        for name, written in hashes.items():
            if sha256_of(checkpoint / name) != written:
                return f"{name} is not what was written"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except (OSError, ValueError, AttributeError) as error:
        return f"not readable ({error})"
    return None


def keep(source: Path, folder: Path, best_epoch: int, epoch: int) -> None:
    """Copies a sealed checkpoint beside the others, then removes all but the best and the last two.

    The last but one stays, so that a damaged last one costs an epoch and not the run.

    Raises:
        FullDiskError: the checkpoints before are as they were.
    """
    kept = folder / checkpoint_name(epoch)
    partial = kept.with_name(f".{kept.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with full_disk_told(folder):
            partial.mkdir(parents=True)
            for file in source.iterdir():
                shutil.copyfile(file, partial / file.name)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(kept, ignore_errors=True)
    partial.rename(kept)
    for old in checkpoints(folder)[:-2]:
        if epoch_of(old) != best_epoch:
            shutil.rmtree(old)


def say_to_log(line: str) -> None:
    """For a caller who named nobody to tell: it comes to the error stream."""
    logging.getLogger(__name__).warning(line)


def newest_sound(folder: Path, say: Say) -> Path | None:
    """The checkpoint of the highest epoch that is as it was written; damaged ones are set aside.

    Args:
        folder: of the run.
        say: told what is damaged, and what is done about it.
    """
    found = checkpoints(folder)
    for number, checkpoint in reversed(list(enumerate(found))):
        trouble = damage(checkpoint)
        if trouble is None:
            return checkpoint
        instead = f"goes on from {found[number - 1].name}" if number else "no other is left: begins anew"
        say(f"{checkpoint}: damaged, {trouble}; set aside as {set_aside(checkpoint).name}, {instead}")
    return None


def best_sound(folder: Path, scores: Sequence[float], best_epoch: int, say: Say) -> Path:
    """The checkpoint of the best epoch; where it is damaged, that of the best of those left, the last among them.

    Args:
        folder: of the run, whose last checkpoint is sound.
        scores: of all epochs.
        best_epoch: the earliest of the highest scores.
        say: told where it is another.
    """
    wanted = folder / checkpoint_name(best_epoch)
    trouble = damage(wanted)
    if trouble is None:
        return wanted
    left = [checkpoint for checkpoint in checkpoints(folder) if damage(checkpoint) is None]
    best = max(left, key=lambda checkpoint: scores[epoch_of(checkpoint) - 1])
    aside = f"; set aside as {set_aside(wanted).name}" if wanted.exists() else ""
    say(f"{wanted}: of the best epoch, but {trouble}{aside}; {best.name} is the best that is left")
    return best


def set_aside(checkpoint: Path) -> Path:
    """Renames a damaged checkpoint, for a person to look at; gives its new place."""
    for number in range(1, 1000):
        aside = checkpoint.with_name(f"damaged_{checkpoint.name}" + (f"-{number}" if number > 1 else ""))
        if not aside.exists():
            break
    return checkpoint.rename(aside)


@contextlib.contextmanager
def full_disk_told(folder: Path) -> Iterator[None]:
    """Turns the system's words for a full disk into ours.

    Raises:
        FullDiskError: the disk, or this user's part of it, is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise FullDiskError(
            f"{folder}: no room for the next checkpoint ({error.strerror}); those before are intact: make room, then "
            "run the same command again to go on"
        ) from error
