"""A bundle against one side of a data set: `metrics.json`, tables by image and patient, `report.html`.

Several bundles that were tested on the folds of one data set are reported as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from glioray.data.folder import atomic_folder, check_output
from glioray.data.progress import OnCount
from glioray.data.records import Side
from glioray.evaluation import answers, bootstrap, classification, outlines, segmentation
from glioray.evaluation.answers import Answers
from glioray.evaluation.findings import Findings, Section
from glioray.evaluation.leak import leak_line
from glioray.evaluation.outlines import Outlines
from glioray.evaluation.pool import Pool
from glioray.evaluation.report import FILE_NAME as REPORT
from glioray.evaluation.report import write_report
from glioray.evaluation.result import FILE_NAME as METRICS
from glioray.evaluation.result import Evaluation, were_trained_from
from glioray.evaluation.scoring import Circumstances
from glioray.evaluation.strangers import with_strangers
from glioray.evaluation.tested import BATCH_SIZE, Tested, answered
from glioray.registry.bundle import ModelBundle
from glioray.tasks.classification import Classification
from glioray.tasks.segmentation import Segmentation

OWN_NAMES = (METRICS, REPORT, "predictions.csv", "patients.csv")


def evaluate(
    bundle: ModelBundle,
    data: Path,
    out: Path,
    side: Side = "test",
    on_progress: OnCount | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = BATCH_SIZE,
    leaky: bool = False,
) -> Evaluation:
    """Predicts every row of a side, scores it, and writes OUT whole or not at all.

    Args:
        bundle: the model.
        data: folder that `glioray prepare` wrote.
        out: new, empty, or written by an earlier evaluation, then replaced.
        side: `test`; the other two are marked for what they are.
        on_progress: called with (images done, images in all).
        device: where the network runs, in float32.
        batch_size: images at once; it decides nothing but the speed.
        leaky: score scans that the model has learned from all the same; every score then says so.

    Raises:
        ModelError: the data are of another kind than those that the model was trained from.
        LeakError: it has learned from scans of the side, see `leak.py`.
        DataError: the folder was not prepared, or its shards are not those of its manifest; OUT holds something else.
    """
    check_output(out, OWN_NAMES)
    return report([answered(bundle, data, side, on_progress, device, batch_size, leaky)], out, batch_size)


def report(
    tested: Sequence[Tested], out: Path, batch_size: int = BATCH_SIZE, before: tuple[Section, ...] = ()
) -> Evaluation:
    """Scores what was predicted and writes OUT whole or not at all.

    Args:
        tested: one side of a data set, or the same side of each of its folds; recipes that differ in the fold alone.
        out: as of `evaluate`.
        batch_size: as of `evaluate`.
        before: what the page shows before the task's own sections.
    """
    pool = Pool(tuple(one.rows for one in tested))
    circumstances = circumstances_of(tested, pool)
    findings = _examine(tested, pool, circumstances, batch_size).after(before)
    findings = with_strangers(findings, [one.flagged for one in tested], pool, circumstances)
    evaluation = _evaluation(tested, pool, circumstances, findings)
    with atomic_folder(out) as partial:
        evaluation.save(partial)
        for name, table in findings.tables.items():
            table.save(partial / name)
        write_report(evaluation, findings, partial)
    return evaluation


def _examine(tested: Sequence[Tested], pool: Pool, circumstances: Circumstances, batch_size: int) -> Findings:
    task = tested[0].task
    if isinstance(task, Classification):
        said = answers.joined([one.answers for one in tested if isinstance(one.answers, Answers)])
        return classification.examine(task, pool, said, circumstances, batch_size)
    assert isinstance(task, Segmentation)
    found = outlines.joined([one.answers for one in tested if isinstance(one.answers, Outlines)], pool.starts)
    return segmentation.examine(task, pool, found, circumstances, batch_size)


def circumstances_of(tested: Sequence[Tested], pool: Pool) -> Circumstances:
    """What is the same for every score of a model on one side of a data set, or on that of each of its folds."""
    config, manifest, side = tested[0].config, pool.manifest, tested[0].rows.side
    split = manifest.split_line(side)
    if len(tested) > 1:
        seen = f"each {pool.unit[:-1]} {_SEEN_ONCE[side]}"
        split = f"{len(tested)} folds, {seen}, {side}, {manifest.settings.split_line}"
    if not were_trained_from(manifest.fingerprint, config.data_fingerprint):
        split += f", other data than it was trained from (data {manifest.fingerprint})"
    return Circumstances(split, len(pool.units), pool.unit, config.seed)


_SEEN_ONCE = {
    "test": "tested once by the model that had not seen it",
    "val": "once by the model that was chosen by its score on it",
}


def _evaluation(tested: Sequence[Tested], pool: Pool, circumstances: Circumstances, findings: Findings) -> Evaluation:
    manifest = pool.manifest
    folds = [one.rows.dataset.manifest.fold for one in tested]
    fingerprints = [one.rows.dataset.manifest.fingerprint for one in tested]
    return Evaluation(
        task=manifest.contents.task,
        model=tested[0].config.architecture,
        outputs=manifest.contents.outputs,
        side=tested[0].rows.side,
        folds=tuple(fold for fold in folds if fold is not None),
        num_folds=manifest.settings.folds,
        runs=tuple(one.name for one in tested if one.name),
        leak=leak_line([(one.config, one.rows) for one in tested]),
        synthetic=manifest.contents.synthetic,
        citation=manifest.contents.citation,
        rows=len(pool.rows),
        cases=len(pool.cases),
        data_fingerprint="+".join(fingerprints),
        trained_on_fingerprint="+".join(one.config.data_fingerprint for one in tested),
        interval=bootstrap.described(pool.unit),
        scores=findings.scores.defined,
        undefined=findings.scores.undefined,
        confusion=findings.confusion,
        cases_without_distance=findings.without_distance,
        **vars(circumstances),
    )
