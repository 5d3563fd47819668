"""How often 95 % intervals hold the truth, by how many patients or groups they are over.

    python benchmarks/coverage.py [--trials 1000]

Laws of which the truth is known are drawn from again and again, each sample gets its interval by
`evaluation/bootstrap.py`, and what is printed is the share of the intervals that hold the truth.

- Dice, mean and median: of each patient from Beta(6, 1.5), near one with a tail to zero, as trained models have it.
- Accuracy: groups of 1 to 6 images that share a chance to be right from Beta(8, 2); all images together, groups drawn.
- Accuracy as if images were independent: the same, images drawn; what an evaluation must not do.
- ROC-AUC: two kinds of groups of 1 to 6 images whose numbers differ by one; part of the scatter is common to a group.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, norm

from glioray.evaluation.bootstrap import Draws, Floats, draws, interval, means, medians
from glioray.evaluation.ranking import Ranking, areas

SIZES = (4, 7, 10, 20, 40, 100)
RESAMPLES = 1000
DICE = beta(6, 1.5)
CHANCE = beta(8, 2)
Generator = np.random.Generator
Figure = Callable[[Generator, int], tuple[Callable[[Draws], Floats], int, float]]
"""Of a generator and a number of units: the figure of draws, how many may be drawn, and the truth"""


def dice_mean(generator: Generator, num_units: int) -> tuple[Callable[[Draws], Floats], int, float]:
    values = DICE.rvs((num_units, 1), random_state=generator)
    return lambda drawn: means(values, drawn)[:, 0], num_units, float(DICE.mean())


def dice_median(generator: Generator, num_units: int) -> tuple[Callable[[Draws], Floats], int, float]:
    values = DICE.rvs((num_units, 1), random_state=generator)
    return lambda drawn: medians(values, drawn)[:, 0], num_units, float(DICE.median())


def accuracy(generator: Generator, num_units: int) -> tuple[Callable[[Draws], Floats], int, float]:
    images, right = _groups(generator, num_units)
    return lambda drawn: (drawn @ right) / (drawn @ images), num_units, float(CHANCE.mean())


def accuracy_of_images(generator: Generator, num_units: int) -> tuple[Callable[[Draws], Floats], int, float]:
    images, right = _groups(generator, num_units)
    values = np.repeat([1.0, 0.0], [right.sum(), images.sum() - right.sum()])[:, None]
    return lambda drawn: means(values, drawn)[:, 0], len(values), float(CHANCE.mean())


def roc_auc(generator: Generator, num_units: int) -> tuple[Callable[[Draws], Floats], int, float]:
    images = generator.integers(1, 7, num_units)
    unit_index = np.repeat(np.arange(num_units), images)
    is_positive = (np.arange(num_units) % 2 == 0)[unit_index]
    values = (
        is_positive + 0.6 * generator.normal(size=num_units)[unit_index] + 0.8 * generator.normal(size=images.sum())
    )
    ranking = Ranking("auc", values, is_positive)
    return lambda drawn: areas(ranking, unit_index, drawn), num_units, float(norm.cdf(1 / np.sqrt(2)))


FIGURES: dict[str, Figure] = {
    "Dice, mean": dice_mean,
    "Dice, median": dice_median,
    "accuracy": accuracy,
    "accuracy as if images were independent": accuracy_of_images,
    "ROC-AUC": roc_auc,
}


def coverage(figure: Figure, num_units: int, trials: int, seed: int = 0) -> float:
    """Share of the intervals of so many samples that hold the truth."""
    generator = np.random.default_rng(seed)
    held = 0
    for trial in range(trials):
        values, num_drawn, truth = figure(generator, num_units)
        resampled = np.concatenate([values(drawn) for drawn in draws(num_drawn, trial, RESAMPLES)])
        low, high = interval(resampled[:, None])
        held += bool(low[0] <= truth <= high[0])
    return held / trials


def _groups(generator: Generator, num_units: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Images of each group, and how many of them are right."""
    images = generator.integers(1, 7, num_units)
    return images, generator.binomial(images, CHANCE.rvs(num_units, random_state=generator))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    trials = parser.parse_args().trials
    print(f"| {trials} samples, {RESAMPLES} resamples each | " + " | ".join(map(str, SIZES)) + " |")
    print("|---|" + "---|" * len(SIZES))
    for name, figure in FIGURES.items():
        print(f"| {name} | " + " | ".join(f"{coverage(figure, size, trials):.3f}" for size in SIZES) + " |", flush=True)


if __name__ == "__main__":
    main()
