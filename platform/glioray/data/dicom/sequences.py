"""Which series is which sequence, by what its description, protocol or folder is called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from glioray.data.dicom.series import Series

# Letters around a short word make it another word: "caROId", "poSTERior".
_START, _END = "(?<![a-z0-9])", "(?![a-z0-9])"
_CONTRAST = rf"(\+|{_START}(gd|gad|gado\w*|post|contrast|ce|km|c){_END})"
# In the order in which they are tried: a contrast T1 is also called T1, and BRAINIX calls its FLAIR 'sT2W/FLAIR'.
DEFAULT_PATTERNS: Mapping[str, str] = {
    "t1ce": rf"t1(ce|c|gd|post){_END}|t1.*{_CONTRAST}|{_CONTRAST}.*t1",
    "flair": r"flair|dark.?fluid",
    "t2": r"t2(?!\s*\*|.?star)",
    "t1": r"t1|mp.?rage|bravo",
}
# The order of channels, as BraTS has them.
CHANNELS = ("t1", "t1ce", "t2", "flair")
DEFAULT_MASK = rf"{_START}(roi|seg|segmentation|mask|label)s?{_END}"


@dataclass(frozen=True)
class Sorted:
    """Series by the sequence that they are; `masks` hold label maps, `others` match nothing."""

    sequences: dict[str, list[Series]] = field(default_factory=dict)
    masks: list[Series] = field(default_factory=list)
    others: list[Series] = field(default_factory=list)

    @property
    def all(self) -> list[Series]:
        """Every series, those of a sequence first."""
        return [*(series for group in self.sequences.values() for series in group), *self.masks, *self.others]

    def usable(self, name: str) -> list[Series]:
        """Those of a sequence that are volumes."""
        return [series for series in self.sequences.get(name, []) if series.problem is None]


def sort_series(
    found: Iterable[Series], patterns: Mapping[str, str] = DEFAULT_PATTERNS, mask: str = DEFAULT_MASK
) -> Sorted:
    """Each series under the one name that fits it: a mask before a sequence, and the first pattern before the next.

    Patterns are regular expressions, found anywhere and in any case; of names that are in DEFAULT_PATTERNS the
    order there holds.
    """
    ranks = list(DEFAULT_PATTERNS)
    ordered = sorted(patterns, key=lambda name: ranks.index(name) if name in ranks else -1)
    result = Sorted()
    for series in found:
        name = _name(series, [(name, patterns[name]) for name in ordered])
        if series.is_segmentation or any(_fits(mask, text) for text in (series.description, series.folder)):
            result.masks.append(series)
        elif name is None:
            result.others.append(series)
        else:
            result.sequences.setdefault(name, []).append(series)
    return result


def _name(series: Series, patterns: Sequence[tuple[str, str]]) -> str | None:
    """What the description says; if it says nothing the protocol, then the folder."""
    for text in (series.description, series.protocol, series.folder):
        whole = f"{text} {series.stack}".strip()
        for name, pattern in patterns:
            if _fits(pattern, whole):
                return name
    return None


def _fits(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None
