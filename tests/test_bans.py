"""No source runs code that came as data, or lets a stranger's archive, shell or certificate through."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("platform", "jobs", "serve", "benchmarks")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
PICKLES = ("pickle", "cPickle", "_pickle", "dill", "cloudpickle", "ray.cloudpickle", "joblib", "marshal", "shelve")
CALLS = {
    *(f"{module}.{name}" for module in PICKLES for name in ("load", "loads", "Unpickler", "open")),
    *(f"yaml.{name}" for name in ("load", "load_all", "full_load", "full_load_all", "unsafe_load", "unsafe_load_all")),
    *(
        "eval",
        "exec",
        "compile",
        "__import__",
        "runpy.run_path",
        "runpy.run_module",
        "torch.hub.load",
        "torch.jit.load",
    ),
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "tempfile.mktemp"),
    *("pandas.read_pickle", "shutil.unpack_archive", "ssl._create_unverified_context"),
}
METHODS = ("extractall", "extract")
KEYWORDS = {
    "shell": "True",
    "verify": "False",
    "trust_remote_code": "True",
    "allow_pickle": "True",
    "weights_only": "False",
}
WANTED = {"torch.load": ("weights_only", "True"), "numpy.load": ("allow_pickle", "False")}


def found_in(text: str) -> Iterator[str]:
    """A line for each call that must not be, by the name that the imports give it."""
    tree = ast.parse(text)
    names = dict(_imported(tree))
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        head, dot, rest = ast.unparse(call.func).partition(".")
        name = names.get(head, head) + dot + rest
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        wrong = [f"{word}={value}" for word, value in KEYWORDS.items() if given.get(word) == value]
        word, value = WANTED.get(name, (None, None))
        wrong += [f"without {word}={value}"] if word and given.get(word) != value else []
        if name in CALLS or name.rpartition(".")[2] in METHODS or wrong:
            yield f"line {call.lineno}: {name} {' '.join(wrong)}".rstrip()


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.asname, alias.name) for alias in node.names if alias.asname)
        elif isinstance(node, ast.ImportFrom):
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_source_calls_nothing_that_runs_code_from_data(path: Path) -> None:
    assert list(found_in(path.read_text())) == []


def test_the_service_and_the_jobs_are_among_the_sources() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in SOURCES}
    assert {"platform/glioray/serving/api.py", "jobs/train.py", "benchmarks/attacks.py"} <= names


def test_the_package_imports_no_pickle() -> None:
    text = "\n".join(path.read_text() for path in SOURCES if path.is_relative_to(ROOT / "platform"))
    imports = [line for line in text.splitlines() if line.lstrip().startswith(("import ", "from "))]
    assert [line for line in imports if set(line.replace(",", " ").split()) & set(PICKLES)] == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle\npickle.load(f)",
        "import pickle as p\np.loads(b'')",
        "from pickle import loads\nloads(b'')",
        "from joblib import load as get\nget(f)",
        "import yaml\nyaml.load(text, Loader=yaml.Loader)",
        "from yaml import unsafe_load\nunsafe_load(text)",
        "eval(text)",
        "exec(text)",
        "import os\nos.system(text)",
        "import subprocess\nsubprocess.run(text, shell=True)",
        "import tempfile\ntempfile.mktemp()",
        "zipfile.ZipFile(f).extractall(folder)",
        "tar.extract(member)",
        "import shutil\nshutil.unpack_archive(f)",
        "import torch\ntorch.load(f)",
        "import torch\ntorch.load(f, weights_only=False)",
        "import torch\ntorch.load(f, weights_only=chosen)",
        "library.load_state_dict(f, weights_only=False)",
        "import numpy as np\nnp.load(f)",
        "import numpy as np\nnp.load(f, allow_pickle=True)",
        "import requests\nrequests.get(url, verify=False)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
    ],
)
def test_each_way_in_is_seen(text: str) -> None:
    assert len(list(found_in(text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "model.eval()",
        "import torch\ntorch.load(f, weights_only=True)",
        "import re\nre.compile(x)",
        "safetensors.torch.load(b)",
    ],
)
def test_what_is_sound_is_left_alone(text: str) -> None:
    assert list(found_in(text)) == []
