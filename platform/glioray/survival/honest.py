"""Which model may answer for whom: one that has not learned from any scan of the patient.

A bundle carries the hash of each case of its train and val sides. The models of all folds of a data set answer for
every patient once; a model of a single split answers for its test side.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from glioray.data.records import Contents
from glioray.errors import ModelError
from glioray.registry.bundle import BundleConfig, ModelBundle
from glioray.serving.predictor import Predictor

BATCH_SIZE = 32
Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class HonestModels:
    """Models by the names that were given for them, in their order; maybe none."""

    named: tuple[tuple[str, Predictor], ...] = ()

    @classmethod
    def load(cls, bundles: Sequence[tuple[str, ModelBundle]], contents: Contents, device: str) -> HonestModels:
        """Of bundles, for masks such as these.

        Raises:
            ModelError: a bundle segments something else, or does not say what it learned from.
        """
        for name, bundle in bundles:
            _require(name, bundle.config, contents)
        return cls(tuple((name, Predictor.load(bundle, device)) for name, bundle in bundles))

    def unseen(self, case_hashes: Collection[str]) -> Predictor | None:
        """The first that learned from none of the cases."""
        for _, predictor in self.named:
            if not set(case_hashes) & set(predictor.config.learned_from):
                return predictor
        return None


def mask_of_prepared(predictor: Predictor, images: torch.Tensor) -> Labels:
    """(B,S,S) labels of images (B,C,S,S) uint8 as shards hold them."""
    found: Labels = predictor.label_map(predictor.predict(images)).numpy()
    return found


def mask_of_raw(predictor: Predictor, volume: NDArray[np.generic]) -> Labels:
    """(N,H,W) labels of a raw volume (N,C,H,W), prepared as the model's training volumes were."""
    slices = predictor.prepare_slices(volume)
    batches = [slices[start : start + BATCH_SIZE] for start in range(0, len(slices), BATCH_SIZE)]
    return np.stack([answer.mask for batch in batches for answer in predictor.segment_batch(batch)])


def _require(name: str, config: BundleConfig, contents: Contents) -> None:
    trained = config.contents
    for what in ("task", "channels", "labels"):
        mine, asked = getattr(trained, what), getattr(contents, what)
        if mine != asked:
            raise ModelError(f"{name}: its {what} is {mine!r}, that of the scans is {asked!r}; give a model of these")
    if not config.learned_from:
        raise ModelError(
            f"{name}: does not say which scans it learned from, so nothing shows that it has not seen these patients; "
            "train it again"
        )
