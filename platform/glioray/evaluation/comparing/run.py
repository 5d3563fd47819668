"""Two models or more on the same rows: `compare.json`, `compare.html` and tables, written whole or not at all."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from glioray.data.folder import atomic_folder, check_output
from glioray.data.progress import OnCount, OnProgress
from glioray.data.records import Side
from glioray.errors import DataError
from glioray.evaluation import bootstrap, outlines
from glioray.evaluation.answers import Answers, joined
from glioray.evaluation.comparing import classes, masks
from glioray.evaluation.comparing.contenders import Contender
from glioray.evaluation.comparing.cost import cost_of, timed_on
from glioray.evaluation.comparing.kept import KeptMasks
from glioray.evaluation.comparing.material import Material
from glioray.evaluation.comparing.page import FILE_NAME as PAGE
from glioray.evaluation.comparing.page import write_page
from glioray.evaluation.comparing.paired import EXCHANGES, difference, holm, is_exact, num_exchanges, smallest_p
from glioray.evaluation.comparing.result import COSTS, Compared, Comparison, Cost, Pair, unbeaten
from glioray.evaluation.comparing.result import FILE_NAME as VALUES
from glioray.evaluation.comparing.sides import Rows, same_rows
from glioray.evaluation.device import require_device
from glioray.evaluation.outlines import Outlines
from glioray.evaluation.run import circumstances_of
from glioray.evaluation.scoring import Circumstances
from glioray.evaluation.tested import BATCH_SIZE, Tested, answered
from glioray.recipe import Recipe
from glioray.tasks.classification import Classification
from glioray.tasks.segmentation import Segmentation

OWN_NAMES = (VALUES, PAGE, "predictions.csv", "patients.csv", "groups.csv")
NUM_TIMED = 8


def compare(
    contenders: Sequence[Contender],
    out: Path,
    side: Side,
    show: OnProgress,
    device: str = "cpu",
    batch_size: int = BATCH_SIZE,
) -> Comparison:
    """Predicts the same rows with every model, once, and writes OUT whole or not at all.

    Args:
        contenders: two models or more.
        out: new, empty, or written by an earlier comparison, then replaced.
        side: test, or val, where the models were chosen.
        show: called with (stage, done, in all).
        device: where the networks run, in float32.
        batch_size: images at once; it decides nothing but the speed.

    Raises:
        RecipeError: there is no such device.
        ModelError: data and a model do not fit, or a model has learned from scans of the side.
        DataError: two models would be asked about different rows; OUT holds something else; the score that is compared
            is not defined for a single patient.
    """
    require_device(device)
    check_output(out, OWN_NAMES)
    rows = same_rows(contenders, side)
    tested, kept = zip(*[_asked(one, side, show, device, batch_size) for one in contenders], strict=True)
    where = [circumstances_of(one, of.pool) for one, of in zip(tested, rows, strict=True)]
    names = [one.name for one in contenders]
    material = _material(names, tested, kept, rows, where, batch_size, partial(show, "lay masks over each other"))
    pairs = _pairs(names, material, partial(show, "test pairs"))
    costs = _costs(contenders, rows, device, batch_size, partial(show, "time answers"))
    found = _comparison(contenders, rows, where, material, pairs, costs, side, timed_on(device))
    with atomic_folder(out) as unfinished:
        found.save(unfinished)
        for name, table in material.tables.items():
            table.save(unfinished / name)
        write_page(found, material, unfinished)
    return found


def default_folder(contenders: Sequence[Contender], side: Side) -> Path:
    """The same for the same models on the same side of the same data, in any order."""
    names = [re.sub(r"[^a-z0-9_]+", "-", one.name.lower()).strip("-")[:24] for one in contenders]
    recipes = [recipe for one in contenders for entry in one.entries for recipe in entry.config.recipes]
    marks = sorted(Recipe.from_values(recipe, "bundle").fingerprint for recipe in recipes)
    marks += sorted({str(one.data) for one in contenders})
    short = "-vs-".join(sorted(names)) if len(names) < 4 else f"{len(names)}-models"
    of_side = "" if side == "test" else f"-{side}"
    return Path("comparisons") / f"{short}-{hashlib.sha256('|'.join(marks).encode()).hexdigest()[:8]}{of_side}"


def _asked(
    contender: Contender, side: Side, show: OnProgress, device: str, batch_size: int
) -> tuple[list[Tested], KeptMasks]:
    kept, tested = KeptMasks(), []
    for entry in contender.entries:
        fold = "" if len(contender.entries) == 1 else f", fold {entry.fold}"
        on_progress = partial(show, f"predict {side}, {contender.name}{fold}")
        bundle = entry.found.bundle
        tested.append(answered(bundle, contender.data, side, on_progress, device, batch_size, on_masks=kept.add))
    return tested, kept


def _material(
    names: Sequence[str],
    tested: Sequence[list[Tested]],
    kept: Sequence[KeptMasks],
    rows: Sequence[Rows],
    where: Sequence[Circumstances],
    batch_size: int,
    on_progress: OnCount,
) -> Material:
    task = tested[0][0].task
    if isinstance(task, Classification):
        answers = [joined([part.answers for part in one if isinstance(part.answers, Answers)]) for one in tested]
        aligned = [classes.in_order(one, of.order) for one, of in zip(answers, rows, strict=True)]
        # The groups are those of the first model's data, and every score is over the same ones.
        pool = rows[0].pool
        same = [Circumstances(one.split, len(pool.units), pool.unit, one.seed) for one in where]
        return classes.examine(names, task, pool, aligned, same, batch_size)
    models = [_masked(*one) for one in zip(tested, kept, rows, strict=True)]
    return masks.examine(names, models, where, batch_size, on_progress)


def _masked(tested: list[Tested], kept: KeptMasks, rows: Rows) -> masks.Masked:
    task = tested[0].task
    assert isinstance(task, Segmentation)
    parts = [one.answers for one in tested if isinstance(one.answers, Outlines)]
    return masks.Masked(task, rows.pool, outlines.joined(parts, rows.pool.starts), kept, rows.order)


def _pairs(names: Sequence[str], material: Material, on_progress: OnCount) -> tuple[Pair, ...]:
    parts, found = material.parts, []
    for one, other in material.agreements:
        found.append(difference(parts[one], parts[other]))
        if found[-1].value != found[-1].value:
            raise DataError(
                f"{names[one]} and {names[other]}: {material.figure} is not defined for a single patient of this side: "
                "no patient has a tumor, and none was predicted; compare on other data with --data"
            )
        on_progress(len(found), len(material.agreements))
    corrected = holm([one.p for one in found])
    return tuple(
        Pair(
            first=names[one],
            second=names[other],
            difference=gap.value,
            low=gap.low,
            high=gap.high,
            p=gap.p,
            p_holm=p_holm,
            agreement=agreement,
        )
        for ((one, other), agreement), gap, p_holm in zip(material.agreements.items(), found, corrected, strict=True)
    )


def _costs(
    contenders: Sequence[Contender],
    rows: Sequence[Rows],
    device: str,
    batch_size: int,
    on_progress: OnCount,
) -> list[Cost]:
    found = []
    for one, of in zip(contenders, rows, strict=True):
        images = of.pool.pick(range(min(NUM_TIMED, len(of.pool.rows))), batch_size)["image"]
        found.append(cost_of(one.bundle, images, device))
        on_progress(len(found), len(contenders))
    return found


def _comparison(
    contenders: Sequence[Contender],
    rows: Sequence[Rows],
    where: Sequence[Circumstances],
    material: Material,
    pairs: tuple[Pair, ...],
    costs: Sequence[Cost],
    side: Side,
    place: str,
) -> Comparison:
    pool = rows[0].pool
    manifest, num_units = pool.manifest, len(pool.units)
    return Comparison(
        task=manifest.contents.task,
        outputs=manifest.contents.outputs,
        side=side,
        split=where[0].split,
        leak=str(manifest.leak) if manifest.leak and side == "test" else None,
        synthetic=manifest.contents.synthetic,
        citation=manifest.contents.citation,
        rows=len(pool.rows),
        units=num_units,
        unit=pool.unit,
        figure=material.figure,
        interval=bootstrap.described(f"{pool.unit}, the same ones for both models"),
        test=_test_text(num_units, pool.unit),
        smallest_p=smallest_p(num_units),
        timed_on=place,
        models=_models(contenders, rows, material, costs),
        pairs=pairs,
    )


def _test_text(num_units: int, unit: str) -> str:
    every = f"all {num_exchanges(num_units):,} exchanges" if is_exact(num_units) else f"{EXCHANGES:,} drawn exchanges"
    seed = "" if is_exact(num_units) else f", seed {bootstrap.SEED}"
    return f"two-sided permutation test, {every} of the answers of whole {unit}{seed}; corrected by Holm over all pairs"


def _models(
    contenders: Sequence[Contender], rows: Sequence[Rows], material: Material, costs: Sequence[Cost]
) -> tuple[Compared, ...]:
    scores = [next(s.value for s in one.defined if s.name == material.figure) for one in material.scores]
    fronts = {kind: unbeaten(scores, [getattr(cost, kind) for cost in costs]) for kind in COSTS}
    return tuple(
        Compared(
            name=one.name,
            runs=tuple(Path(entry.name).name for entry in one.entries),
            architecture=one.config.architecture,
            image_size=one.config.signature.image_size,
            seed=one.config.seed,
            trained_on_fingerprint="+".join(entry.config.data_fingerprint for entry in one.entries),
            tested_on_fingerprint="+".join(side.dataset.manifest.fingerprint for side in of.pool.sides),
            scores=found.defined,
            cost=cost,
            unbeaten=tuple(kind for kind in COSTS if fronts[kind][place]),
        )
        for place, (one, of, found, cost) in enumerate(zip(contenders, rows, material.scores, costs, strict=True))
    )
