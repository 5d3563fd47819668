"""The rows that every model is asked about: proved to be the same, and put in one order, before anything is predicted.

Shapes: N rows, U units (patients or groups).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence, Set
from dataclasses import dataclass

from glioray.data.records import Side
from glioray.errors import DataError
from glioray.evaluation.comparing.contenders import Contender
from glioray.evaluation.leak import require_unseen
from glioray.evaluation.matching import require_fit
from glioray.evaluation.pool import Pool
from glioray.evaluation.side import Row, SideRows
from glioray.evaluation.tested import open_data


@dataclass(frozen=True)
class Rows:
    """What one model is asked about.

    `order` (N,) is the place, among its own rows, of each row of the first model.
    """

    pool: Pool
    order: tuple[int, ...]


def same_rows(contenders: Sequence[Contender], side: Side) -> tuple[Rows, ...]:
    """Of each model; the patients or groups are those of the first one's data.

    Raises:
        ModelError: the data are of another kind than a model's.
        LeakError: a model has learned from scans of the side.
        DataError: two models would be asked about different rows.
    """
    pools = [_pool(contender, side) for contender in contenders]
    first = pools[0]
    found = []
    for contender, pool in zip(contenders, pools, strict=True):
        _require_same_scans(contenders[0], contender, first, pool)
        is_by_pixel = first.manifest.contents.task == "segmentation"
        places = {_key(row, is_by_pixel): place for place, row in enumerate(pool.rows)}
        wanted = [_key(row, is_by_pixel) for row in first.rows]
        if places.keys() != set(wanted) or len(pool.rows) != len(first.rows):
            raise DataError(_unlike(contenders[0], contender, set(wanted), places.keys(), side))
        found.append(Rows(pool, tuple(places[key] for key in wanted)))
    return tuple(found)


def _pool(contender: Contender, side: Side) -> Pool:
    sides = []
    for entry in contender.entries:
        dataset = open_data(contender.data, entry.config)
        require_fit(entry.config, dataset.manifest, f"{entry.name} on {contender.data}")
        rows = SideRows.read(dataset, side)
        require_unseen(entry.name, entry.config, rows)
        sides.append(rows)
    return Pool(tuple(sides))


def _require_same_scans(one: Contender, other: Contender, first: Pool, pool: Pool) -> None:
    """Rows of one name are the same scan only where the raw data are the same; masks also need the same grid."""
    mine, others = first.manifest.settings, pool.manifest.settings
    if mine.source_hash != others.source_hash:
        raise DataError(
            f"{one.name} and {other.name} were trained on different data, {one.data} and {other.data}: give one "
            "prepared folder that neither has learned from as --data"
        )
    if first.manifest.contents.task == "segmentation" and mine.preprocessing != others.preprocessing:
        sizes = mine.preprocessing.image_size, others.preprocessing.image_size
        raise DataError(
            f"{one.name} and {other.name}: their data are prepared in different ways ({sizes[0]} px and {sizes[1]} px)"
            ", and masks are compared pixel by pixel. Train both on one prepared folder"
        )


def _key(row: Row, is_by_pixel: bool) -> Hashable:
    """Who a row is. The same image may stand in another group where it was prepared at another size."""
    return row if is_by_pixel else (row.source, row.case_id, row.slice_index)


def _unlike(one: Contender, other: Contender, wanted: Set[Hashable], there: Set[Hashable], side: Side) -> str:
    shared = len(wanted & there)
    folds = [contender.config.recipe["data"].get("fold") for contender in (one, other)]
    text = (
        f"{one.name} and {other.name}: their {side} sides are not the same rows: {len(wanted)} of {one.data} and "
        f"{len(there)} of {other.data}, {shared} in both. "
    )
    if folds[0] != folds[1] and len(one.entries) == len(other.entries) == 1:
        return f"{text}They are of folds {folds[0]} and {folds[1]}: join all folds of a recipe by commas, RUN1,RUN2"
    return f"{text}Give one prepared folder that none of them has learned from as --data"
