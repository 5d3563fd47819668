"""What was found in a model: facts for machines, pictures with captions for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Picture:
    """One file: PNG, or GIF where it moves; `caption` says what to see.

    A plot is drawn on white paper; what is wide is not made narrower than it can be read on a phone.
    """

    name: str
    content: bytes
    title: str
    caption: str
    is_plot: bool = False
    is_wide: bool = False

    @property
    def kind(self) -> str:
        """`png` or `gif`."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True)
class Section:
    """One thing that was looked at: an image, a case, or the weights by themselves.

    `facts` goes into `explain.json`; `lines` are words for the page; `about` says which split a
    figure is over, and whether it is too good.
    """

    title: str
    pictures: tuple[Picture, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    lines: tuple[tuple[str, str], ...] = ()
    about: str = ""
