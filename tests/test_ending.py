"""The end of a process: the code is kept, Python's own handlers run, and nothing native after them."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import atexit, os, sys, types
atexit.register(os._exit, 77)  # stands for what goes wrong after the last handler of Python
from glioray.ending import Ending
ending = Ending()
atexit.register(print, "a handler ran", end="")
{ray}
{body}
"""
WITH_RAY = "sys.modules['ray'] = types.ModuleType('ray')"


@pytest.mark.parametrize(
    ("body", "code"),
    [("ending.code = 0", 0), ("ending.code = 3; sys.exit(3)", 3), ("raise ValueError('nobody catches it')", 1)],
)
def test_a_process_with_ray_in_it_ends_with_its_code_after_pythons_handlers(body, code):
    ended = run(PROGRAM.format(ray=WITH_RAY, body=body))
    assert (ended.returncode, ended.stdout) == (code, "a handler ran")
    assert ("nobody catches it" in ended.stderr) == (code == 1)


def test_a_process_without_ray_ends_as_it_would():
    assert run(PROGRAM.format(ray="", body="ending.code = 0")).returncode == 77


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
