"""The run folder that explains itself: recipe, metrics, curves, and the bundle of the best epoch."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import safetensors.torch

from glioray.data.prepared import PreparedDataset
from glioray.errors import RecipeError
from glioray.recipe import Recipe
from glioray.registry.bundle import BundleConfig, ModelBundle
from glioray.registry.run_folder import BUNDLE
from glioray.training.state import MODEL, read_history

RECIPE, DATA, METRICS, CURVES = "recipe.yaml", "data_fingerprint", "metrics.csv", "curves.png"
History = list[dict[str, float]]


def open_run(folder: Path, recipe: Recipe, data: PreparedDataset) -> None:
    """Makes the folder, or finds it to be of the same recipe and data: it would be gone on with.

    Raises:
        RecipeError: another recipe was trained there, or the same one on other data.
    """
    told, data_file = folder / RECIPE, folder / DATA
    another = None
    if told.exists() and Recipe.from_yaml(told).fingerprint != recipe.fingerprint:
        another = "recipe"
    elif data_file.exists() and data_file.read_text().strip() != data.manifest.fingerprint:
        another = "data set, or of another split of it"
    if another:
        raise RecipeError(f"{folder}: holds a run of another {another}; choose another --name, or remove the folder")
    folder.mkdir(parents=True, exist_ok=True)
    write_at_once(told, recipe.to_yaml().encode())
    write_at_once(data_file, f"{data.manifest.fingerprint}\n".encode())


def write_metrics(folder: Path, history: History) -> None:
    """`metrics.csv`, one line an epoch; a metric that some epochs lack is left empty there."""
    text = io.StringIO()
    names = dict.fromkeys(name for row in reversed(history) for name in row)
    writer = csv.DictWriter(text, fieldnames=list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_at_once(folder / METRICS, text.getvalue().encode())


def read_metrics(folder: Path) -> History:
    """The rows of `metrics.csv`; none where there is no such file, or a damaged one, which the next epoch replaces."""
    try:
        with (folder / METRICS).open(newline="") as file:
            rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
    except (OSError, ValueError, TypeError, csv.Error):
        return []
    return rows if all({"epoch", "best_epoch"} <= set(row) for row in rows) else []


def write_bundle(folder: Path, recipe: Recipe, data: PreparedDataset, checkpoint: Path, epoch: int) -> Path:
    """The bundle of a checkpoint, as `folder/bundle`."""
    smallest_part_px = int(read_history(checkpoint)[epoch - 1].get("val/smallest_part_px", 0))
    config = BundleConfig.of(recipe, data, epoch, smallest_part_px)
    ModelBundle(config, safetensors.torch.load_file(checkpoint / MODEL)).save(folder / BUNDLE)
    return folder / BUNDLE


def best_row(history: History) -> dict[str, float]:
    """Of the epoch that validation chose so far."""
    return history[int(history[-1]["best_epoch"]) - 1]


def write_curves(folder: Path, history: History) -> None:
    """`curves.png`: the losses of train and val, and the score with its best epoch."""
    from matplotlib.figure import Figure  # the driver alone draws: its workers need not import it

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    losses, scores = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    losses.plot(epochs, [row["loss"] for row in history], label="train", color="#4c78a8")
    losses.plot(epochs, [row["val/loss"] for row in history], label="val", color="#e45756")
    losses.set(xlabel="epoch", ylabel="loss", title="Loss")
    losses.legend(frameon=False)
    scores.plot(epochs, [row["score"] for row in history], color="#54a24b")
    best = best_row(history)
    scores.axvline(best["epoch"], color="#999999", linestyle=":", linewidth=1)
    scores.set(
        xlabel="epoch",
        ylabel="score",
        title=f"Score on val: best {best['score']:.3f} in epoch {best['epoch']:.0f}",
    )
    for axes in (losses, scores):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    write_at_once(folder / CURVES, content.getvalue())


def write_at_once(path: Path, content: bytes) -> None:
    """A reader sees the old file or the new, never a half."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)
