"""The program that breaks guards on purpose: its table stands, and it tells tests that notice from others."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
TREE = {
    "platform/door.py": "def is_open(key):\n    return key == 'sesame'\n",
    "tests/test_door.py": (
        "import sys\nfrom pathlib import Path\n\n"
        "sys.path.insert(0, str(Path(__file__).parents[1] / 'platform'))\nfrom door import is_open\n\n\n"
        "def test_the_word_opens():\n    assert is_open('sesame')\n\n\n"
        "def test_another_does_not():\n    assert not is_open('barley')\n"
    ),
}


@pytest.fixture
def guards(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module("guards")
    sys.modules.pop("guards")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in TREE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def guard_of(guards: ModuleType, test: str, instead: str = "True", text: str = "key == 'sesame'") -> object:
    return guards.Guard("the word", "platform/door.py", text, instead, (f"tests/test_door.py::{test}",))


def test_the_words_of_every_guard_stand_in_its_file_and_its_tests_are_there(guards: ModuleType) -> None:
    for guard in guards.table():
        assert guards.broken(guard, ROOT) != (ROOT / guard.file).read_text()
        for test in guard.tests:
            file, _, name = test.partition("::")
            assert f"def {name}(" in (ROOT / file).read_text(), test


def test_the_guards_have_names_of_their_own(guards: ModuleType) -> None:
    names = [guard.name for guard in guards.table()]
    assert len(set(names)) == len(names)


def test_a_broken_guard_that_a_test_notices_is_told_and_mended(guards: ModuleType, tree: Path) -> None:
    outcome = guards.try_guard(guard_of(guards, "test_another_does_not"), tree)
    assert outcome.said == guards.NOTICED
    assert (tree / "platform/door.py").read_text() == TREE["platform/door.py"]


def test_a_broken_guard_that_no_test_notices_is_told(guards: ModuleType, tree: Path) -> None:
    assert guards.try_guard(guard_of(guards, "test_the_word_opens"), tree).said == "NOT NOTICED"


@pytest.mark.parametrize(
    ("instead", "test"),
    [("True +", "test_another_does_not"), ("True", "test_that_is_not_there")],
    ids=["syntax", "test"],
)
def test_tests_that_cannot_run_notice_nothing(guards: ModuleType, tree: Path, instead: str, test: str) -> None:
    assert guards.try_guard(guard_of(guards, test, instead), tree).said.startswith("NOT NOTICED, pytest ended with")


def test_words_that_no_longer_stand_in_the_file_are_an_error_of_the_program(guards: ModuleType, tree: Path) -> None:
    with pytest.raises(SystemExit, match="stands 0 times"):
        guards.try_guard(guard_of(guards, "test_another_does_not", text="key == 'gone'"), tree)


def test_tests_that_fail_before_anything_is_broken_are_an_error_of_the_program(guards: ModuleType, tree: Path) -> None:
    (tree / "platform/door.py").write_text("def is_open(key):\n    return key == 'sesame' or True\n")
    with pytest.raises(SystemExit, match="unbroken, the tests end with 1"):
        guards.require_sound([guard_of(guards, "test_another_does_not")], tree)
