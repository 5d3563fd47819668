"""How a data set is prepared, as a person may ask for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from glioray.data.records import TaskName
from glioray.frozen import Frozen

MOST_AUTOMATIC_THREADS = 8


class PrepareOptions(Frozen):
    """How a data set is prepared."""

    task: TaskName | None = Field(None, description="what to train for; the source's own task where none")
    source_options: dict[str, Any] = Field({}, description="settings of the source, as its `Options` takes them")
    image_size: int | None = Field(
        None, ge=16, le=1024, multiple_of=16, description="side of the prepared image, px; the source's own where none"
    )
    seed: int = Field(0, ge=0, lt=2**32, description="of the split and of the order of training rows")
    split: Literal["group", "published"] = Field(
        "group", description="group: honest; published: the data set's own, with its leak"
    )
    split_file: Path | None = Field(None, description="a split of one's own, held to the same rules")
    folds: int | None = Field(None, ge=3, le=20, description="of a cross-validation, instead of train, val and test")
    val_fraction: float = Field(0.15, gt=0, lt=0.5, description="part of the images for val")
    test_fraction: float = Field(0.15, gt=0, lt=0.5, description="part of the images for test")
    drop_empty: float = Field(
        0.0, ge=0, le=1, description="share of the slices without any label that training does without"
    )
    skip_unreadable: bool = Field(False, description="list unreadable files in the manifest and go on")
    limit: int | None = Field(None, ge=3, description="read this many cases only, spread over all")
    workers: int = Field(0, ge=0, le=256, description="who read: threads, or actors of Ray; 0: one a core")
    memory_gb: float = Field(8.0, ge=2, le=4096, description="what the whole preparation may take")

    @model_validator(mode="after")
    def _fits(self) -> PrepareOptions:
        if self.val_fraction + self.test_fraction > 0.8:
            raise ValueError(
                f"val_fraction {self.val_fraction} + test_fraction {self.test_fraction} leave under 0.2 for training"
            )
        if (self.split_file is not None) + (self.folds is not None) + (self.split == "published") > 1:
            raise ValueError("of folds, a split file and the published split only one can be had")
        if self.folds is not None and self.drop_empty:
            raise ValueError("drop_empty would take slices from test too, since every fold is tested on once")
        return self

    @property
    def num_threads(self) -> int:
        """Threads of this process."""
        return self.workers or min(MOST_AUTOMATIC_THREADS, available_cores())


def available_cores() -> int:
    """Those that this process may use, where the system says so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
