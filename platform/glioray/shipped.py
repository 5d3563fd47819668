"""Recipes and Serve configs that come with the package, for a working directory that has none of its own.

In a checkout they lie beside `platform/`, in an installed package in `glioray/shipped/`, where the wheel puts them.
"""

from __future__ import annotations

from pathlib import Path

FOLDERS = ("search_spaces", "serve")
_PACKAGE = Path(__file__).parent


def shipped(path: Path) -> Path:
    """The path itself where something is there, else what ships under this name, else the path again.

    Args:
        path: as `search_spaces/custom_cnn.yaml`, or one of the folders.
    """
    if path.exists() or path.is_absolute() or path.parts[:1] not in [(folder,) for folder in FOLDERS]:
        return path
    return next((root / path for root in _roots() if (root / path).exists()), path)


def _roots() -> tuple[Path, ...]:
    checkout = [_PACKAGE.parent.parent] if _PACKAGE.parent.name == "platform" else []
    return (_PACKAGE / "shipped", *checkout)
