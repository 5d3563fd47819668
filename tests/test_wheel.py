"""The wheel and the source archive, built once without a network, and the package run from the wheel alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import glioray

ROOT = Path(__file__).parent.parent
LEFT_OUT = {"__pycache__"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both; the wheel is built from the unpacked source archive, as whoever gets that alone does."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    (path,) = built.glob("*.whl")
    return zipfile.ZipFile(path)


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not LEFT_OUT & set(path.parts)
    }


def test_it_holds_every_file_of_the_package_with_templates_pages_and_types(wheel: zipfile.ZipFile) -> None:
    expected = files_below(ROOT / "platform" / "glioray")

    assert {name for name in expected if name not in {"py.typed"}} > {
        "cli.py",
        "serving/web/page.js",
        "demo/page.html.j2",
    }
    assert {name: wheel.read(f"glioray/{name}") for name in expected} == expected
    assert wheel.read("glioray/py.typed") == b""


@pytest.mark.parametrize("folder", ["search_spaces", "serve"])
def test_recipes_and_serve_configs_come_along(wheel: zipfile.ZipFile, folder: str) -> None:
    expected = files_below(ROOT / folder)

    assert expected
    assert {name: wheel.read(f"glioray/shipped/{folder}/{name}") for name in expected} == expected


def test_nothing_else_does(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    info = f"glioray-{glioray.__version__}.dist-info"

    assert {name.partition("/")[0] for name in names} == {"glioray", info}
    assert f"{info}/licenses/LICENSE" in names
    known = {f"glioray/{name}" for name in files_below(ROOT / "platform" / "glioray")}
    shipped = {name for name in names if name.startswith("glioray/shipped/")}
    assert {name for name in names if name.startswith("glioray/")} == known | shipped


def test_what_it_says_of_itself(wheel: zipfile.ZipFile) -> None:
    said = wheel.read(f"glioray-{glioray.__version__}.dist-info/METADATA").decode()

    assert f"\nVersion: {glioray.__version__}\n" in said
    assert "not a medical device" in said
    assert "\nClassifier: Typing :: Typed\n" in said
    assert "\nProvides-Extra: export\n" in said


def test_the_source_archive_has_tests_docs_and_pins(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {"tests/test_wheel.py", "constraints.txt", "docs/models.md", "Makefile", "CITATION.cff"} <= names
    assert not any(name.endswith(".pyc") for name in names)


def test_from_the_wheel_alone_in_an_empty_folder_recipes_and_configs_are_found(
    wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    for name in wheel.namelist():
        wheel.extract(name, tmp_path / "site")
    (tmp_path / "empty").mkdir()
    code = (
        "import glioray; from pathlib import Path; from glioray.recipe import Recipe\n"
        "from glioray.serving.settings import ServeArgs\n"
        "print(glioray.__file__, Recipe.from_yaml(Path('search_spaces/classic_unet.yaml')).model.name)\n"
        "print(ServeArgs.from_yaml(Path('serve/local.yaml')).registry)"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "empty",
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == [str(tmp_path / "site/glioray/__init__.py"), "classic_unet", "registry"]
