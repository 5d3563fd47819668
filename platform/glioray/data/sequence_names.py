"""What a sequence is called in file names, in tables and in the parts of a form."""

from __future__ import annotations

import re

# Ours first. BraTS until 2021 and since 2023, and the decathlon's.
SPELLINGS = {
    "t1": ("t1", "t1n", "t1w"),
    "t1ce": ("t1ce", "t1c", "t1gd"),
    "t2": ("t2", "t2w"),
    "flair": ("flair", "t2f"),
}
# LGG names two of its channels for the contrast agent.
BY_CONTRAST = {"pre_contrast": "t1", "post_contrast": "t1ce"}
_SEQUENCES = BY_CONTRAST | {spelling: name for name, spellings in SPELLINGS.items() for spelling in spellings}
_BETWEEN_WORDS = re.compile(r"[\s._-]+")


def sequence_of(word: str) -> str:
    """Our name of a sequence, of any spelling that we know; another word as it is, in small letters."""
    plain = _BETWEEN_WORDS.sub("_", word.strip().lower())
    return _SEQUENCES.get(plain, plain)
