"""What a classifier saw in an image: its answer, Grad-CAM of every class, attention, feature maps.

Shapes: K classes, L layers, H x W raw pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from glioray.data.preprocessing import restore_mask
from glioray.errors import ModelError
from glioray.evaluation.figures import probability_bars
from glioray.explain.attention import has_rollout, layer_maps
from glioray.insight.inside import features_of, first_network, looked_into
from glioray.insight.pictures import heat_sheet
from glioray.insight.result import Picture, Section
from glioray.insight.subject import Subject
from glioray.serving.explaining import explain
from glioray.serving.predictor import Classified, Predictor

Heatmap = NDArray[np.float32]
Peaks = dict[str, tuple[int, int] | None]


def look(predictor: Predictor, subject: Subject, name: str) -> Section:
    """All of one image; `name` begins the names of its files.

    Raises:
        ModelError: the network has no feature map.
    """
    (prepared,) = subject.slices
    answer = predictor.classify_batch([prepared])[0]
    heats, peaks = _gradcam(predictor, subject, answer)
    pictures = [
        Picture(
            f"{name}-answer.png",
            probability_bars(answer.probabilities, subject.label),
            "Answer",
            "The probability of each class.",
            is_plot=True,
        ),
        Picture(
            f"{name}-gradcam.png",
            heat_sheet(subject.grey[0], heats),
            "Grad-CAM",
            "What speaks for each class, the answered one first; each map is scaled to its own highest place.",
            is_wide=True,
        ),
    ]
    if has_rollout(first_network(predictor)):
        pictures.append(_attention(predictor, subject, answer, name))
    pictures.append(features_of(predictor, prepared, name))
    return Section(
        subject.name, tuple(pictures), _facts(subject, answer, peaks), _lines(subject, answer), subject.about
    )


def _gradcam(predictor: Predictor, subject: Subject, answer: Classified) -> tuple[dict[str, Heatmap], Peaks]:
    """Maps by their titles, the answered class first; and the highest place of each class."""
    order = sorted(answer.probabilities, key=lambda label: -answer.probabilities[label])
    try:
        found = explain(predictor, list(subject.slices) * len(order), order, "gradcam")
    except ModelError as error:
        raise ModelError(f"{predictor.config.architecture}: {error}") from None
    heats = {
        f"{label} {answer.probabilities[label]:.1%}": heat.values for label, heat in zip(order, found, strict=True)
    }
    return heats, {label: heat.peak for label, heat in zip(order, found, strict=True)}


def _attention(predictor: Predictor, subject: Subject, answer: Classified, name: str) -> Picture:
    rollout = explain(predictor, subject.slices, [answer.label], "attention")[0].values
    network, pixels = looked_into(predictor, subject.slices[0])
    layers = layer_maps(network, pixels)[:, 0].cpu().numpy()
    frame = subject.slices[0].frame
    heats = {"rollout": rollout}
    heats |= {f"layer {number}": restore_mask(layer, frame) for number, layer in enumerate(layers, 1)}
    caption = (
        "Which patches the answer was mixed from, through all layers (rollout, Abnar 2020), then what each layer by "
        "itself attends to, its heads averaged. It is the same for every class."
    )
    return Picture(f"{name}-attention.png", heat_sheet(subject.grey[0], heats), "Attention", caption, is_wide=True)


def _facts(subject: Subject, answer: Classified, peaks: Peaks) -> dict[str, Any]:
    known = {} if subject.label is None else {"truth": subject.label, "is_right": subject.label == answer.label}
    return {
        "answer": answer.label,
        "confidence": answer.confidence,
        "probabilities": answer.probabilities,
        "in_domain": answer.in_domain,
        "gradcam_peaks": peaks,
        **known,
    }


def _lines(subject: Subject, answer: Classified) -> tuple[tuple[str, str], ...]:
    lines = [("answer", f"{answer.label}, {answer.confidence:.1%}")]
    if subject.label is not None:
        lines.append(("truth", f"{subject.label}: {'right' if subject.label == answer.label else 'wrong'}"))
    if answer.in_domain is not None:
        lines.append(("like those that it learned from", "yes" if answer.in_domain else "no: the answer means little"))
    return tuple(lines)
