"""Where the token of Kaggle is looked for, and how a person makes one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from glioray.data.download.datasets import DataSet


def find_token(environment: Mapping[str, str], home: Path) -> str | None:
    """Where the `kaggle` package will find a token, in words; none if it will not.

    Asked before that package is imported, since its import prints, makes a folder and may go to the network.
    """
    if environment.get("KAGGLE_API_TOKEN"):
        return "KAGGLE_API_TOKEN"
    if environment.get("KAGGLE_USERNAME") and environment.get("KAGGLE_KEY"):
        return "KAGGLE_USERNAME and KAGGLE_KEY"
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "kaggle"
    files = [
        home / ".kaggle" / name for name in ("access_token", "access_token.txt", "kaggle.json", "credentials.json")
    ]
    files.append(Path(environment.get("KAGGLE_CONFIG_DIR") or config) / "kaggle.json")
    return next((str(path) for path in files if path.is_file() and path.stat().st_size), None)


def how_to_make_one(data: DataSet, folder: Path) -> str:
    """The steps, and the way without a token."""
    return (
        "no Kaggle token is found, and Kaggle gives data sets only to who has one. It is free:\n"
        "  1. Sign in at https://www.kaggle.com (or make an account).\n"
        '  2. Open https://www.kaggle.com/settings/api and choose "Generate New Token".\n'
        "  3. Save what it shows as ~/.kaggle/access_token (chmod 600), or: export KAGGLE_API_TOKEN=...\n"
        "     An older kaggle.json goes to ~/.kaggle/kaggle.json.\n"
        f"  4. Give the same command again: glioray download {data.name} --out {folder}\n"
        f"Or without a token here: {by_hand(data, folder)}"
    )


def by_hand(data: DataSet, folder: Path) -> str:
    """The way through a browser."""
    return (
        f"fetch {data.page} in a browser, put the zip into {folder}, and give the same command: it unpacks and checks."
    )
