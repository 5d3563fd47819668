"""`origin.json`: what made a run, an entry for each time that its command was started."""

from __future__ import annotations

import datetime
import json
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

import glioray
from glioray.training.record import write_at_once

ORIGIN = "origin.json"
PACKAGES = ("torch", "ray", "numpy", "pyarrow", "timm", "monai", "safetensors")
GIT_TIMEOUT_S = 5


class Session(BaseModel):
    """One start of the command."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    started_at: str = Field(description="UTC")
    from_epoch: int = Field(description="the first that it trains")
    command: str = Field(description="as it was typed")
    git_commit: str | None = Field(description="of the code, where it runs from a git work tree")
    is_changed: bool = Field(description="whether the work tree differs from that commit")
    versions: dict[str, str]


_SESSIONS = TypeAdapter(tuple[Session, ...])


def begin_session(folder: Path, command: str, from_epoch: int) -> tuple[Session, ...]:
    """Adds this start to those before; gives them all, oldest first."""
    commit, is_changed = git_state(Path(glioray.__file__).parent)
    session = Session(
        started_at=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S"),
        from_epoch=from_epoch,
        command=command,
        git_commit=commit,
        is_changed=is_changed,
        versions=package_versions(),
    )
    sessions = (*read_sessions(folder), session)
    text = json.dumps([each.model_dump() for each in sessions], indent=2)
    write_at_once(folder / ORIGIN, f"{text}\n".encode())
    return sessions


def read_sessions(folder: Path) -> tuple[Session, ...]:
    """All starts, oldest first; none where there is no file, or a damaged one."""
    try:
        return _SESSIONS.validate_json((folder / ORIGIN).read_bytes())
    except (OSError, ValidationError):
        return ()


def package_versions() -> dict[str, str]:
    """Of Python, glioray, and the packages that decide a result."""
    found = {"python": platform.python_version(), "glioray": glioray.__version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_state(folder: Path) -> tuple[str | None, bool]:
    """The commit of a folder that git tracks, and whether tracked files in it differ from that; else none."""
    git = shutil.which("git")
    # Untracked, it is an installed package that lies below somebody else's repository.
    if git is None or _git(git, folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None, False
    commit = _git(git, folder, "rev-parse", "HEAD")
    return commit, bool(_git(git, folder, "status", "--porcelain", "--", "."))


def _git(git: str, folder: Path, *arguments: str) -> str | None:
    """What git says, or none where it refuses."""
    try:
        done = subprocess.run(  # noqa: S603
            [git, "-C", str(folder), *arguments], capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
