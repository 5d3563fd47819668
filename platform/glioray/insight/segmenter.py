"""What a segmentation model saw in an image or a case: its mask beside the truth, a walk, gates, feature maps.

Shapes: N slices, H x W raw pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from glioray.data.preprocessing import restore_mask
from glioray.evaluation.figures import png_bytes
from glioray.evaluation.pictures import BLACK, bare, name_colors
from glioray.insight.inside import features_of, looked_into
from glioray.insight.outlined import enlargement, outlined
from glioray.insight.pictures import gate_sheet
from glioray.insight.result import Picture, Section
from glioray.insight.subject import Labels, Subject
from glioray.insight.walk import walk_gif, walk_mp4
from glioray.models._maps import maps
from glioray.serving.predictor import Predictor
from glioray.tasks.segmentation import Segmentation

BATCH_SIZE, SHEET_PX = 16, 384


def look(predictor: Predictor, subject: Subject, name: str, folder: Path, notice: str) -> Section:
    """All of one image or case; `name` begins the names of its files, films go to the folder at once."""
    predicted = predict(predictor, subject)
    number = subject.widest(predicted)
    labels = predictor.config.contents.labels
    panels = {**({} if subject.mask is None else {"truth": subject.mask}), "prediction": predicted}
    at = f"Slice {number + 1} of {len(subject.slices)}. " if len(subject.slices) > 1 else ""
    pictures = [
        Picture(
            f"{name}-mask.png",
            mask_sheet(subject.grey[number], {title: maps_[number] for title, maps_ in panels.items()}, labels),
            "Mask",
            f"{at}Each label is outlined.",
        )
    ]
    facts: dict[str, Any] = {"slice": number, "pixels": _pixels(predicted, labels)}
    if len(subject.slices) > 1:
        pictures.append(_walk(subject, panels, labels, name, notice))
        if walk_mp4(subject.grey, panels, labels, notice, folder / f"{name}-walk.mp4"):
            facts["film"] = f"{name}-walk.mp4"
    prepared = subject.slices[number]
    gates = gates_of(predictor, subject, number)
    if gates:
        facts["gates"] = {title: _figures(values) for title, values in gates.items()}
        pictures.append(_gates(subject, number, gates, name))
    pictures.append(features_of(predictor, prepared, name))
    dice = dice_of(predictor, subject, predicted)
    return Section(
        subject.name, tuple(pictures), {**facts, **({"dice": dice} if dice else {})}, _lines(dice), subject.about
    )


def predict(predictor: Predictor, subject: Subject) -> Labels:
    """(N,H,W) label map of all slices, as the service answers."""
    starts = range(0, len(subject.slices), BATCH_SIZE)
    answers = [one for start in starts for one in predictor.segment_batch(subject.slices[start : start + BATCH_SIZE])]
    return np.stack([answer.mask for answer in answers])


def mask_sheet(grey: Labels, panels: dict[str, Labels], labels: dict[str, int]) -> bytes:
    """The slice (H,W), then each label map (H,W) over it, filled lightly and outlined."""
    times = enlargement(grey.shape, SHEET_PX)
    shown = {"input": np.zeros_like(grey), **panels}
    figure = Figure(figsize=(len(shown) * 2.4, 2.9))
    figure.set_facecolor(BLACK)
    grid = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, (title, mask) in zip(grid, shown.items(), strict=True):
        axes.imshow(outlined(grey, mask, labels, times))
        bare(axes, title=title)
    name_colors(figure, labels)
    return png_bytes(figure)


def gates_of(predictor: Predictor, subject: Subject, number: int) -> dict[str, Tensor]:
    """(h,w) of each gate by its size in px, the lowest level first; empty of a network without."""
    network, pixels = looked_into(predictor, subject.slices[number])
    found = maps(network, pixels, of=["gates"])
    return {f"{values.shape[-1]} px": values[0, 0].float().cpu() for values in found.values()}


def dice_of(predictor: Predictor, subject: Subject, predicted: Labels) -> dict[str, float]:
    """Over all slices together, of each label and region; NaN where neither has it, none without a truth."""
    if subject.mask is None:
        return {}
    task = predictor.task
    assert isinstance(task, Segmentation)
    batch = {"mask": torch.from_numpy(subject.mask), "patient_index": torch.zeros(len(predicted), dtype=torch.int64)}
    found = task.by_patient(task.count_masks(torch.from_numpy(predicted), batch))["dice"][0]
    return dict(zip(task.names, found.tolist(), strict=True))


def _gates(subject: Subject, number: int, gates: dict[str, Tensor], name: str) -> Picture:
    grey, frame = subject.grey[number], subject.slices[number].frame
    placed = {title: _over(values, frame.image_size) for title, values in gates.items()}
    captions = {
        title: f"mean {values.mean():.2f}, {values.min():.2f} to {values.max():.2f}" for title, values in gates.items()
    }
    caption = (
        "How much of each skip is let through, the lowest level left, by the cells of its gate. One that looks blank "
        "from 0 to 1 and not on its own scale lets the same through nearly everywhere."
    )
    restored = {title: restore_mask(values, frame) for title, values in placed.items()}
    return Picture(f"{name}-gates.png", gate_sheet(grey, restored, captions), "Gates", caption, is_wide=True)


def _over(values: Tensor, size_px: int) -> Any:
    """(S,S) of (h,w), as the network enlarges it."""
    up = torch.nn.functional.interpolate(values[None, None], (size_px, size_px), mode="bilinear", align_corners=False)
    return up[0, 0].numpy()


def _walk(subject: Subject, panels: dict[str, Labels], labels: dict[str, int], name: str, notice: str) -> Picture:
    content = walk_gif(subject.grey, panels, labels, notice)
    against = "prediction against truth" if subject.mask is not None else "with the prediction"
    return Picture(f"{name}-walk.gif", content, "Walk", f"From the lowest slice up, {against}.")


def _figures(values: Tensor) -> dict[str, float]:
    return {
        "mean": float(values.mean()),
        "spread": float(values.std(correction=0)),
        "lowest": float(values.min()),
        "highest": float(values.max()),
    }


def _pixels(predicted: Labels, labels: dict[str, int]) -> dict[str, int]:
    return {name: int(np.count_nonzero(predicted == value)) for name, value in labels.items()}


def _lines(dice: dict[str, float]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (f"Dice of {name}, this case alone", "none: it is in neither" if np.isnan(value) else f"{value:.3f}")
        for name, value in dice.items()
    )
