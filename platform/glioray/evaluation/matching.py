"""Refuses to score a model on data that it was not made for."""

from __future__ import annotations

from glioray.data.manifest import Manifest
from glioray.errors import ModelError
from glioray.registry.bundle import BundleConfig


def require_fit(config: BundleConfig, manifest: Manifest, place: str) -> None:
    """Compares task, channels, outputs and preparation of a bundle with those of a data set.

    Args:
        config: of the bundle.
        manifest: of the data set.
        place: its folder, for the text of the error.

    Raises:
        ModelError: one of them differs; both are named.
    """
    trained, found = config.contents, manifest.contents
    _require_equal("task", trained.task, found.task, place)
    _require_equal("channels", trained.channels, found.channels, place)
    outputs = "classes" if trained.task == "classification" else "labels"
    _require_equal(outputs, getattr(trained, outputs), getattr(found, outputs), place)
    # The order of a dictionary is the order of the model's outputs, and equality does not see it.
    _require_equal(f"order of the {outputs}", trained.outputs, found.outputs, place)
    asked, prepared = config.preprocessing, manifest.settings.preprocessing
    for name in type(asked).model_fields:
        _require_equal(name, getattr(asked, name), getattr(prepared, name), place)


def _require_equal(what: str, trained: object, found: object, place: str) -> None:
    if trained != found:
        raise ModelError(
            f"{place}: {what} of the data is {found!r}, the model was trained with {trained!r}. "
            "Evaluate it on data that `glioray prepare` made with the same settings."
        )
