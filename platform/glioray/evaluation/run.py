"""A bundle against one side of a data set: `metrics.json`, tables by image and patient, `report.html`.

The prediction path is the service's own, `serving/predictor.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from glioray.data.folder import atomic_folder
from glioray.data.prepared import PreparedDataset
from glioray.data.records import Side
from glioray.data.split import SPLITS
from glioray.errors import DataError
from glioray.evaluation import bootstrap, classification, segmentation
from glioray.evaluation.findings import Findings
from glioray.evaluation.matching import require_fit
from glioray.evaluation.report import FILE_NAME as REPORT
from glioray.evaluation.report import write_report
from glioray.evaluation.result import FILE_NAME as METRICS
from glioray.evaluation.result import Evaluation
from glioray.evaluation.scoring import Circumstances
from glioray.evaluation.side import SideRows
from glioray.recipe import Recipe
from glioray.registry.bundle import BundleConfig, ModelBundle
from glioray.serving.predictor import Predictor
from glioray.tasks import _contract as tasks
from glioray.tasks.classification import Classification
from glioray.tasks.segmentation import Segmentation

OWN_NAMES = (METRICS, REPORT, "predictions.csv", "patients.csv")


def evaluate(
    bundle: ModelBundle,
    data: Path,
    out: Path,
    side: Side = "test",
    on_progress: Callable[[int, int], None] | None = None,
    device: str | torch.device = "cpu",
    batch_size: int = 32,
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

    Raises:
        ModelError: the data are of another kind than those that the model was trained from.
        DataError: the folder was not prepared, or its shards are not those of its manifest; OUT holds something else.
    """
    _check_output(out)
    dataset = _open(data, bundle.config)
    require_fit(bundle.config, dataset.manifest, str(data))
    dataset.verify(hashes=True)
    rows = SideRows.read(dataset, side)
    circumstances = _circumstances(bundle.config, rows)
    findings = _examine(bundle, rows, circumstances, device, batch_size, on_progress or _ignore)
    evaluation = _evaluation(bundle.config, rows, circumstances, findings)
    with atomic_folder(out) as partial:
        evaluation.save(partial)
        for name, table in findings.tables.items():
            table.save(partial / name)
        write_report(evaluation, findings, partial)
    return evaluation


def _open(data: Path, config: BundleConfig) -> PreparedDataset:
    """Of folds, the view that the model was trained on: its test side is the fold that it has not seen."""
    has_folds = PreparedDataset.open(data).manifest.settings.folds is not None
    return PreparedDataset.open(data, config.recipe["data"].get("fold") if has_folds else None)


def _check_output(out: Path) -> None:
    """Refuses a folder that holds anything but an evaluation of ours: it would be replaced."""
    if out.is_dir():
        names = {path.name for path in out.iterdir()}
        strange = sorted(names - set(OWN_NAMES))
        if names and (strange or METRICS not in names):
            raise DataError(
                f"{out}: holds {(strange or sorted(names))[0]!r}, which is no part of an evaluation. "
                "Give a new or empty folder as --out."
            )
    elif out.exists() or out.is_symlink():
        raise DataError(f"{out}: is not a folder. Give a new or empty folder as --out.")


def _examine(
    bundle: ModelBundle,
    rows: SideRows,
    circumstances: Circumstances,
    device: str | torch.device,
    batch_size: int,
    on_progress: Callable[[int, int], None],
) -> Findings:
    predictor = Predictor.load(bundle, device)
    loss = Recipe.from_values(bundle.config.recipe, "bundle").loss
    # Of the data's contents: its regions are the ones to score.
    task = tasks.build(rows.dataset.manifest.contents, loss, num_patients=1)
    if isinstance(task, Classification):
        return classification.examine(task, predictor, rows, circumstances, batch_size, on_progress)
    assert isinstance(task, Segmentation)
    return segmentation.examine(task, predictor, rows, circumstances, batch_size, on_progress)


def _circumstances(config: BundleConfig, rows: SideRows) -> Circumstances:
    manifest = rows.dataset.manifest
    split = f"{rows.side}, {SPLITS[manifest.settings.split]} (seed {manifest.settings.seed})"
    if manifest.fold is not None:
        split = f"fold {manifest.fold} of {manifest.settings.folds}, {split}"
    if manifest.fingerprint != config.data_fingerprint:
        split += f", other data than it was trained from (data {manifest.fingerprint})"
    return Circumstances(split, len(rows.units), rows.unit, config.recipe["seed"])


def _evaluation(config: BundleConfig, rows: SideRows, circumstances: Circumstances, findings: Findings) -> Evaluation:
    manifest = rows.dataset.manifest
    return Evaluation(
        task=manifest.contents.task,
        model=config.model.name,
        outputs=manifest.contents.outputs,
        side=rows.side,
        leak=_leak(config, rows),
        synthetic=manifest.contents.synthetic,
        citation=manifest.contents.citation,
        rows=len(rows.identity),
        data_fingerprint=manifest.fingerprint,
        trained_on_fingerprint=config.data_fingerprint,
        interval=f"95 % percentile bootstrap over {rows.unit}, {bootstrap.RESAMPLES} resamples, seed {bootstrap.SEED}",
        scores=findings.scores.defined,
        undefined=findings.scores.undefined,
        confusion=findings.confusion,
        **vars(circumstances),
    )


def _leak(config: BundleConfig, rows: SideRows) -> str | None:
    """Why the figures are too good: a published split, or scans that the model has learned from."""
    manifest = rows.dataset.manifest
    if manifest.fingerprint != config.data_fingerprint:
        cases = rows.dataset.case_hashes(rows.side)
        learned = cases & set(config.learned_from)
        if learned:
            return f"leaky: it was trained on {len(learned)} of the {len(cases)} scans"
    return str(manifest.leak) if manifest.leak and rows.side == "test" else None


def _ignore(done: int, total: int) -> None:
    del done, total
