"""`--epochs`: the gates of a run over its checkpoints, as a section of the page."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from glioray.data.progress import OnProgress
from glioray.data.records import Side
from glioray.errors import BundleError
from glioray.insight.epochs import bundles_by_epoch, study_epochs
from glioray.insight.gate_pictures import gate_curves, gates_over_epochs
from glioray.insight.gate_study import ALL, GateStudy, require_gates
from glioray.insight.result import Picture, Section
from glioray.insight.rows import subjects_of
from glioray.insight.segmenter import gates_of, predict
from glioray.registry.locate import Located
from glioray.serving.predictor import Predictor


def look(found: Located, data: Path, side: Side, on_progress: OnProgress) -> Section:
    """Of a run's folder and the data that it was trained on.

    Raises:
        BundleError: the bundle is no run's, or the run has kept no checkpoints.
        ModelError: the network has no gates.
    """
    if found.path is None or found.path.name != "bundle":
        raise BundleError("--epochs looks at the checkpoints in a run's folder; name the run, not a bundle")
    require_gates(Predictor.load(found.bundle))
    if found.run is not None:
        found.run.fetch_checkpoints()
    folder = found.path.parent
    (subject,) = subjects_of(found.bundle.config, data, side, 1)
    studies = study_epochs(folder, found.bundle, data, side, on_progress)
    predictors = {epoch: Predictor.load(one) for epoch, one in bundles_by_epoch(folder, found.bundle).items()}
    number = subject.widest(predict(predictors[max(predictors)], subject))
    maps = {epoch: gates_of(predictor, subject, number) for epoch, predictor in predictors.items()}
    about = f"{subject.about}; Dice is the mean over its patients, without mirrored copies"
    return Section("The gates over epochs", _pictures(studies, maps), _facts(studies), _lines(studies), about)


def _pictures(studies: dict[int, GateStudy], maps: dict[int, dict[str, Tensor]]) -> tuple[Picture, ...]:
    return (
        Picture(
            "gates-curves.png",
            gate_curves(studies),
            "Figures of each gate",
            "A line a gate, by the px of its map. Saturated: below 0.02 or above 0.98. Dead: channels behind the ReLU "
            "that are 0 everywhere. Lost: the gate's map replaced by its mean over all images.",
            is_plot=True,
            is_wide=True,
        ),
        Picture(
            "gates-from-0-to-1.png",
            gates_over_epochs(maps, is_on_own_scale=False),
            "Maps, from 0 to 1",
            "One slice: a row a gate, the lowest level first. Black lets nothing of the skip through, white all.",
            is_wide=True,
        ),
        Picture(
            "gates-own-scale.png",
            gates_over_epochs(maps, is_on_own_scale=True),
            "The same, each on its own scale",
            "From the lowest to the highest value of each map, which stand below it.",
            is_wide=True,
        ),
    )


def _facts(studies: dict[int, GateStudy]) -> dict[str, object]:
    return {"epochs": {str(epoch): asdict(study) for epoch, study in studies.items()}}


def _lines(studies: dict[int, GateStudy]) -> tuple[tuple[str, str], ...]:
    """Of the last epoch."""
    last = max(studies)
    study = studies[last]
    lines = [(f"Dice after epoch {last}", f"{study.dice:.3f}")]
    for name, gate in study.gates.items():
        text = (
            f"open {gate.mean:.2f}, deviation {gate.spread:.3f}, in the tumor {gate.inside:.2f}, elsewhere "
            f"{gate.outside:.2f}; Dice lost without its places {study.lost['places'][name]:+.3f}, without its skip "
            f"{study.lost['skip'][name]:+.3f}"
        )
        lines.append((f"gate of {gate.size_px} px", text))
    lost = study.lost["places"][ALL], study.lost["skip"][ALL]
    lines.append(("all gates", f"Dice lost without their places {lost[0]:+.3f}, without all skips {lost[1]:+.3f}"))
    return tuple(lines)
