"""The kinds of files: how each is written, and how one is run, to prove that it answers as the bundle does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.export import ExportedProgram

from glioray.errors import ModelError
from glioray.export.about import INPUT, OUTPUT
from glioray.registry.card import NOT_A_DEVICE

Name = Literal["onnx", "torch-export"]
Run = Callable[[Tensor], Tensor]
ABOUT_FILE = "glioray.json"  # inside a program of torch.export


@dataclass(frozen=True)
class Format:
    """One kind of file; `needs` are packages of the extra `export`."""

    write: Callable[[ExportedProgram, Mapping[str, Any], Path], None]
    open: Callable[[Path], Run]
    needs: tuple[str, ...] = ()


def chosen(name: Name) -> Format:
    """The format of a name.

    Raises:
        ModelError: what it needs is not installed.
    """
    found = _FORMATS[name]
    if missing := [package for package in found.needs if find_spec(package) is None]:
        raise ModelError(
            f"--format {name}: needs {', '.join(missing)}, not installed here: pip install 'glioray[export]', or take "
            "--format torch-export"
        )
    return found


def _write_onnx(program: ExportedProgram, about: Mapping[str, Any], path: Path) -> None:
    """With its weights inside, and each value of `about` among the properties of the model: text, or JSON."""
    written = torch.onnx.export(
        program, input_names=[INPUT], output_names=[OUTPUT], dynamic_shapes={INPUT: {0: "batch"}}, verbose=False
    )
    assert written is not None
    model = written.model
    model.producer_name, model.producer_version = "glioray", about["versions"]["glioray"]
    model.doc_string = NOT_A_DEVICE
    model.metadata_props.update(
        {key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()}
    )
    # They tell in which file of this machine a line of a network stands.
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
    model.graph.metadata_props.clear()
    written.save(path)


def _open_onnx(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda pixels: torch.from_numpy(session.run([OUTPUT], {INPUT: pixels.numpy()})[0])


def _write_torch(program: ExportedProgram, about: Mapping[str, Any], path: Path) -> None:
    torch.export.save(program, path, extra_files={ABOUT_FILE: json.dumps(about, indent=1)})


def _open_torch(path: Path) -> Run:
    """Of a file that we wrote ourselves: opening one may run code that lies in it."""
    module = torch.export.load(path).module()
    return lambda pixels: module(pixels)


_FORMATS: dict[str, Format] = {
    "onnx": Format(_write_onnx, _open_onnx, ("onnx", "onnxscript", "onnxruntime")),
    "torch-export": Format(_write_torch, _open_torch),
}
