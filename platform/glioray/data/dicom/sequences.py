"""Which series is which sequence, by what its description, protocol or folder is called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from glioray.data.dicom.series import Series

# Letters around a short word make it another word: "caROId", "poSTERior".
_START, _END = "(?<![a-z0-9])", "(?![a-z0-9])"
_AGENT = rf"(contrast\w*|gd|gad\w*|ce|km){_END}"
# "T1 POST OP" and "T1 POST FOSSA" tell of no contrast agent.
_AFTER = r"post(?![\W_]*(op|surg|fossa|proc|rad|rt|chemo|biop|treat))"
_CONTRAST = (
    rf"({_START}(enh(anced)?{_END}|({_AFTER}[\W_]*)?{_AGENT}|{_AFTER}{_END}|c\s?\+)"
    rf"|\+\s?(c{_END}|{_AGENT})|(?<=t1)\+(?![a-z])|(?<=t1w)\+(?![a-z])|\+\s*$)"
)
# A plain T1 is often named for what it lacks. "T1 W/O FS POST GD" lacks something else.
_PLAIN = rf"{_START}((pre|non?|w\s?/?\s?o|without|sans|ohne|vor|before)[\W_]*(iv\W)?(c{_END}|enh|{_AGENT})|un-?enh)"
# What is computed from images, or shows something else than a channel does. MP2RAGE calls its map 'T1_Images'; folders
# of BIDS begin with 'sub-'.
_NO_CHANNEL = (
    rf"(maps?|mapping|mapit){_END}|t[12][\W_]?images|inv[\W_]?[12]{_END}|t1.?rho|t2w?\s*\*|t2.?star|{_START}"
    rf"(adc|dwi|dti|diff\w*|trace|perf\w*|dsc|dce|asl|r?cb[fv]|mtt|ttp|ktrans|mip|subtr\w*|sub(?!-)){_END}"
)
_T1 = r"(t1(?!\d)|mp2?.?rage|bravo)"
_T1_CONTRAST = rf"t1w?(ce|c(?![\W_]*sp)|gd|gad\w*|post){_END}"
# A gradient echo called T2 is a T2*.
_GRADIENT_ECHO = rf"{_START}(gre|ffe|fl[23]d|hemo\w*|swi\w*|swan\w*|medic){_END}"
# In the order in which they are tried: a contrast T1 is also called T1, and BRAINIX calls its FLAIR 'sT2W/FLAIR';
# but a 'T1 FLAIR' is a T1.
DEFAULT_PATTERNS: Mapping[str, str] = {
    "t1ce": rf"^(?!.*({_NO_CHANNEL}|{_PLAIN}))(?=.*{_T1})(?=.*({_CONTRAST}|{_T1_CONTRAST}))",
    "flair": rf"^(?!.*({_NO_CHANNEL}|{_T1})).*(flair|dark.?fluid)",
    "t2": rf"^(?!.*({_NO_CHANNEL}|{_GRADIENT_ECHO})).*t2(?!\d)",
    "t1": rf"^(?!.*({_NO_CHANNEL})).*{_T1}",
}
# A text with one of these words tells which sequence it is, or that it is none.
_TELLS = rf"{_NO_CHANNEL}|{_T1}|t2(?!\d)|flair|dark.?fluid"
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
    order there holds. With DEFAULT_PATTERNS a description such as 'T2*' is the last word,
    whatever the folder is called.
    """
    last_word = _TELLS if patterns == DEFAULT_PATTERNS else None
    ranks = list(DEFAULT_PATTERNS)
    ordered = sorted(patterns, key=lambda name: ranks.index(name) if name in ranks else -1)
    result = Sorted()
    for series in found:
        name = _name(series, [(name, patterns[name]) for name in ordered], last_word)
        if series.is_segmentation or any(_fits(mask, text) for text in (series.description, series.folder)):
            result.masks.append(series)
        elif name is None:
            result.others.append(series)
        else:
            result.sequences.setdefault(name, []).append(series)
    return result


def _name(series: Series, patterns: Sequence[tuple[str, str]], last_word: str | None) -> str | None:
    """What the description says; if it says nothing the protocol, then the folder."""
    for text in (series.description, series.protocol, series.folder):
        whole = f"{text} {series.stack}".strip()
        for name, pattern in patterns:
            if _fits(pattern, whole):
                return name
        if last_word is not None and _fits(last_word, whole):
            return None
    return None


def _fits(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None
