"""How well a tiny model tells the class from size, margins and file format alone.

The model is a random forest of scikit-learn: it takes figures as they are, finds thresholds and their combinations
(every glioma is 512 x 512), needs no tuning, and gives the same on every machine. Boosted trees found no more. It is
cross-validated by group of copies, so that no image is told by its copy.

N images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedGroupKFold

from glioray.audit.pictures import MARGINS, Pictures
from glioray.audit.result import Shortcut, Shortcuts
from glioray.audit.scores import scores_by_group
from glioray.data.progress import OnProgress

FOLDS = 5
TREES = 50
FEWEST_IN_LEAF = 2
SIZE = ("width", "height", "aspect")
KIND = ("file format", "color mode")


def measure_shortcuts(pictures: Pictures, groups: Sequence[str], seed: int, tell: OnProgress) -> Shortcuts:
    """Accuracy of each set of figures, before and after the head is cropped."""
    labelled = [row for row, picture in enumerate(pictures.rows) if picture.label is not None]
    classes = pictures.classes
    labels = np.array([classes.index(pictures.rows[row].label or "") for row in labelled], dtype=np.int64)
    mine = np.array([groups[row] for row in labelled])
    reason = _too_few(labels, mine, len(classes))
    if reason:
        return Shortcuts(majority=1.0, chance=1.0, found=(), not_measured=reason)
    found = []
    sets = _sets(pictures)
    for done, (name, when, features) in enumerate(sets):
        rows = [getattr(pictures.rows[row], when) for row in labelled]
        figures = np.array([[row[feature] for feature in features] for row in rows])
        found.append(_measure(name, when, features, figures, labels, mine, classes, seed))
        tell("shortcuts", done + 1, len(sets))
    shares = np.bincount(labels) / len(labels)
    return Shortcuts(majority=float(shares.max()), chance=1 / len(classes), found=tuple(found))


def _too_few(labels: NDArray[np.int64], groups: NDArray[np.str_], num_classes: int) -> str | None:
    if num_classes < 2:
        return f"{num_classes} class{'es' if num_classes == 0 else ''}: there is nothing to tell apart"
    fewest = min(len(set(groups[labels == label])) for label in range(num_classes))
    return f"a class has only {fewest} groups, {FOLDS} are needed" if fewest < FOLDS else None


def _sets(pictures: Pictures) -> list[tuple[str, str, tuple[str, ...]]]:
    """Name, `before` or `after`, and figures."""
    known = pictures.rows[0].before
    whole = [("size", "before", SIZE), ("margins", "before", MARGINS), ("file format and color mode", "before", KIND)]
    single = [one for one in whole if all(feature in known for feature in one[2])]
    together = tuple(feature for _, _, features in single for feature in features)
    name = " and ".join(name for name, _, _ in single) if len(single) < 3 else "size, margins and file format"
    before = [(name, "before", together), *(single if len(single) > 1 else [])]
    return [*before, ("the margins that are left", "after", MARGINS)]


def _measure(
    name: str,
    when: str,
    features: tuple[str, ...],
    figures: NDArray[np.float64],
    labels: NDArray[np.int64],
    groups: NDArray[np.str_],
    classes: tuple[str, ...],
    seed: int,
) -> Shortcut:
    split = f"{FOLDS}-fold cross-validation by group"
    predicted = np.zeros_like(labels)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for train, test in folds.split(figures, labels, groups):
        model = RandomForestClassifier(TREES, min_samples_leaf=FEWEST_IN_LEAF, random_state=seed)
        predicted[test] = model.fit(figures[train], labels[train]).predict(figures[test])
    scores = scores_by_group(labels, predicted, groups.tolist(), len(classes), split, seed)
    return Shortcut(
        name=name,
        when=when,
        features=features,
        accuracy=scores["accuracy"],
        balanced_accuracy=scores["balanced_accuracy"],
    )
