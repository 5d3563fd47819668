"""Runs the notebooks of this folder from a clean start, and keeps what they show.

    python notebooks/run.py [NAME ...]

The outputs are committed, so that a reader of the files sees the story without running it; they are small (pictures are
brought to 160 colors), name no folder of a machine, and are made by this command alone. The tests run every notebook
anew, so that a notebook that works no more is found whatever its outputs show.
"""

from __future__ import annotations

import base64
import io
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).resolve().parent
TIMEOUT_S, COLORS, WIDEST_PX = 900, 160, 720
PNG = "image/png"


def main() -> None:
    """Runs those that are named, or all."""
    for name in sys.argv[1:] or sorted(path.stem for path in FOLDER.glob("*.ipynb")):
        with tempfile.TemporaryDirectory(prefix="glioray-notebook-") as folder:
            notebook = executed(FOLDER / f"{name}.ipynb", Path(folder))
        nbformat.write(notebook, FOLDER / f"{name}.ipynb")
        print(f"{name}: {(FOLDER / f'{name}.ipynb').stat().st_size // 1000} kB")


def executed(path: Path, folder: Path) -> nbformat.NotebookNode:
    """A notebook with its outputs, run in an empty folder that looks as this one does.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    place = folder / "notebooks"
    place.mkdir()
    shutil.copytree(FOLDER.parent / "search_spaces", folder / "search_spaces")
    where = {"metadata": {"path": str(place)}}
    client = NotebookClient(notebook, timeout=TIMEOUT_S, startup_timeout=TIMEOUT_S, resources=where)
    with tempfile.TemporaryDirectory(prefix="glioray-") as sockets:  # their paths must be short
        client.create_kernel_manager()
        client.km.transport = "ipc"  # files of this user, where TCP would listen for everybody on the machine
        client.km.ip = f"{sockets}/kernel"
        client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # the times of a machine
        if cell.cell_type == "code":
            cell.outputs = [_kept(output) for output in _joined(cell.outputs) if output.get("name") != "stderr"]
    return notebook


def _joined(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Lines that were printed one after the other, as one output."""
    found: list[nbformat.NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream" and found and found[-1].get("name") == output.name:
            found[-1].text += output.text
        else:
            found.append(output)
    return found


def _kept(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    if PNG in output.get("data", {}):
        output.data[PNG] = _smaller(output.data[PNG])
    return output


def _smaller(picture: str) -> str:
    """The same picture at no more than the width of a page, with few colors."""
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    image.thumbnail((WIDEST_PX, 10 * WIDEST_PX))
    content = io.BytesIO()
    image.quantize(COLORS).save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode()


if __name__ == "__main__":
    main()
