"""What was found, counted: what stands on both sides of a split, and what contradicts itself."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
from numpy.typing import NDArray

from glioray.audit.copies import KINDS, Found
from glioray.audit.pictures import Pictures
from glioray.audit.result import Copies, Kind, Member, Pair, SamePatient
from glioray.data.duplicates import SYMMETRIES
from glioray.data.grouping import ENOUGH_HEAD

Mask = NDArray[np.bool_]


def summarize(pictures: Pictures, found: Found) -> Copies:
    """The counts, the contradictions, and the pairs that are shown."""
    tested = pictures.tested
    side = pictures.column("side")
    is_tested, is_train = side == tested, side == "train"
    is_val = (side == "val") & ~is_tested
    groups, patients = np.array(found.groups.whole, dtype=object), pictures.column("patient")
    in_training = is_tested & _shared(groups, is_train)
    in_val = is_tested & ~in_training & _shared(groups, is_val)
    known = is_tested & _shared(patients, is_train)
    alike = _copied(found.pairs[found.groups.is_joining], is_tested, is_train) & ~known
    return Copies(
        compared=_compared(pictures),
        is_volumes=pictures.is_volumes,
        as_prepared=pictures.as_prepared,
        groups=len(set(groups)),
        parted_groups=len(_parted(groups, side)),
        images_with_a_copy=sum(size for size in Counter(found.groups.copies).values() if size > 1),
        largest_group=max(Counter(groups).values()),
        sides=len(pictures.sides),
        same_patient=_same_patient(patients, side, known if tested else None),
        tested=tested,
        tested_images=int(is_tested.sum()) if tested else 0,
        tested_with_copy=int(in_training.sum()) if tested else None,
        tested_in_val=int(in_val.sum()) if tested else None,
        tested_alike=int(alike.sum()) if tested else None,
        kinds=tuple(_count(pictures, found, kind, known) for kind in range(len(KINDS))),
        conflicts=tuple(tuple(_member(pictures, row) for row in rows) for rows in conflicting(pictures, found)),
        shown=tuple(_pair(pictures, found, index, why) for index, why in found.shown),
    )


def conflicting(pictures: Pictures, found: Found) -> list[list[int]]:
    """Rows of each group of copies that carries more than one label."""
    members: dict[str, list[int]] = defaultdict(list)
    for row, group in enumerate(found.groups.copies):
        members[group].append(row)
    return [rows for rows in members.values() if len({pictures.rows[row].label for row in rows} - {None}) > 1]


def _shared(names: NDArray[np.object_], there: Mask) -> Mask:
    """(N,) whether a name is also one of those there; none has no name."""
    elsewhere = set(names[there]) - {""}
    return np.array([name in elsewhere for name in names], dtype=np.bool_)


def _compared(pictures: Pictures) -> str:
    total = f"{len(pictures.rows):,}"
    if pictures.is_volumes:
        return (
            f"{int(pictures.compared.sum()):,} of {total} slices, those of which at least {100 * ENOUGH_HEAD:.0f} % "
            "is head, also mirrored and turned"
        )
    return f"all {total} images, also mirrored, turned and with their contrast changed"


def _parted(names: NDArray[np.object_], side: NDArray[np.object_]) -> set[str]:
    """Names that stand on more than one side."""
    sides: dict[str, set[str]] = defaultdict(set)
    for name, its_side in zip(names, side, strict=True):
        sides[name].add(its_side)
    return {name for name, there in sides.items() if name and len(there - {""}) > 1}


def _same_patient(patients: NDArray[np.object_], side: NDArray[np.object_], known: Mask | None) -> SamePatient | None:
    """None where no patient is named."""
    if not any(patients):
        return None
    parted = _parted(patients, side)
    images = sum(patient in parted for patient in patients)
    return SamePatient(patients=len(parted), images=images, tested=None if known is None else int(known.sum()))


def _count(pictures: Pictures, found: Found, kind: int, known: Mask) -> Kind:
    pairs = found.pairs[found.kinds == kind]
    side, label = pictures.column("side"), pictures.column("label")
    plainer = _copied(found.pairs[found.kinds <= kind], side == pictures.tested, side == "train")
    return Kind(
        name=KINDS[kind],
        pairs=len(pairs),
        images=len(np.unique(pairs)),
        across_sides=int((side[pairs[:, 0]] != side[pairs[:, 1]]).sum()),
        across_classes=int((label[pairs[:, 0]] != label[pairs[:, 1]]).sum()),
        tested_with_copy=int((plainer | known).sum()) if pictures.tested else None,
    )


def _copied(pairs: NDArray[np.int64], is_tested: Mask, is_train: Mask) -> Mask:
    """(N,) images of the tested side that are in a pair with one of the training side."""
    copied = np.zeros(len(is_tested), dtype=np.bool_)
    for mine, other in ((0, 1), (1, 0)):
        copied[pairs[is_tested[pairs[:, mine]] & is_train[pairs[:, other]], mine]] = True
    return copied


def _pair(pictures: Pictures, found: Found, index: int, why: str) -> Pair:
    first, second = found.pairs[index].tolist()
    return Pair(
        kind=KINDS[found.kinds[index]],
        symmetry=SYMMETRIES[found.symmetries[index]],
        correlation=round(float(found.correlations[index]), 4),
        chosen=why,
        first=_member(pictures, first),
        second=_member(pictures, second),
    )


def _member(pictures: Pictures, row: int) -> Member:
    picture = pictures.rows[row]
    return Member(name=picture.name, label=picture.label, side=picture.side, patient=picture.patient)
