"""The logic of the batch script, with stand-ins for Slurm, Ray and glioray that write down how they were called."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "jobs" / "slurm" / "train.sbatch"
# `ray start` listens, as Ray does, until it is told to end; `srun` runs here what it is given.
STANDS = {
    "srun": 'echo "srun $*" >> "$LOG"; while [[ $1 == --* ]]; do shift; done; exec "$@"',
    "scontrol": "tr , '\\n' <<< \"$3\"",
    "ray": """own="MODE=$RAY_AUTH_MODE TOKEN=${#RAY_AUTH_TOKEN} LOOP=${RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER:-}"
echo "ray $* $own" >> "$LOG"
[[ $1 == start ]] || exit 1
exec python -c '
import re, signal, socket, sys
port = re.search(r"--port=(\\d+)", " ".join(sys.argv))
listener = socket.create_server(("127.0.0.1", int(port[1]))) if port else None
def end(*_):
    open(sys.argv[1], "a").write("ended " + ("head" if port else "workers") + "\\n")
    sys.exit()
signal.signal(signal.SIGTERM, end)
open(sys.argv[1] + ".ready", "a").write("step\\n")
signal.pause()' "$LOG" "$@" """,
    "glioray": 'echo "glioray $*" >> "$LOG"; exec sleep "${TRAIN_S:-0}"',
}
# Nodes are there when the steps that start them, the head's and that of all others, can be told to end.
FAKE_RAY = """
import os, pathlib
def init(**_): pass
def nodes():
    alive, ready = int(os.environ["ALIVE"]), pathlib.Path(os.environ["LOG"] + ".ready")
    steps = len(ready.read_text().splitlines()) if ready.exists() else 0
    return [{"Alive": True}] * alive if steps >= min(alive, 2) else []
"""


class Allocation:
    """So many nodes of two cores, of which so many join."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        for name, body in STANDS.items():
            (folder / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
            (folder / name).chmod(0o755)
        (folder / "ray.py").write_text(FAKE_RAY)
        (folder / "python").symlink_to(sys.executable)

    def environment(self, nodes: int, **more: str) -> dict[str, str]:
        names = ",".join(f"node{index}" for index in range(nodes))
        slurm = {"SLURM_JOB_NUM_NODES": str(nodes), "SLURM_JOB_NODELIST": names, "SLURM_CPUS_PER_TASK": "2"}
        path = f"{self.folder}:{os.environ['PATH']}"
        own = {"PATH": path, "PYTHONPATH": str(self.folder), "LOG": str(self.log), "GLIORAY_BIN": str(self.folder)}
        return {"HOME": str(self.folder), "ALIVE": str(nodes), **own, **slurm, "GLIORAY_HEAD_IP": "127.0.0.1", **more}

    def start(self, nodes: int, *arguments: str, **more: str) -> subprocess.Popen[str]:
        command, pipe = ["bash", str(SCRIPT), *arguments], subprocess.PIPE
        return subprocess.Popen(command, env=self.environment(nodes, **more), stderr=pipe, text=True)

    def run(self, nodes: int, *arguments: str, **more: str) -> tuple[int, str, list[str]]:
        process = self.start(nodes, *arguments, **more)
        said = process.communicate(timeout=60)[1]
        return process.returncode, said, self.lines()

    def lines(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def allocation(tmp_path: Path) -> Allocation:
    return Allocation(tmp_path)


def test_one_node_keeps_to_the_loopback_and_asks_for_a_token(allocation: Allocation) -> None:
    code, _, lines = allocation.run(1, "X.yaml", "--runs", "/shared/runs")
    head = next(line for line in lines if line.startswith("ray start"))
    assert code == 0
    assert "--node-ip-address=127.0.0.1" in head
    assert head.endswith("MODE=token TOKEN=64 LOOP=0")
    assert lines[-2].startswith(
        "glioray train --set scaling.num_workers=1 X.yaml --runs /shared/runs --address 127.0.0.1:"
    )


def test_ports_lie_outside_of_those_that_ray_takes(allocation: Allocation) -> None:
    head = next(line for line in allocation.run(1, "X.yaml")[2] if line.startswith("ray start"))
    ports = [int(word.rpartition("=")[2]) for word in head.split() if "port=" in word and not word.endswith("=0")]
    assert len(set(ports)) == 3
    assert all(20_000 <= port <= 32_000 for port in ports)


def test_workers_of_the_other_nodes_join_the_head(allocation: Allocation) -> None:
    _, _, lines = allocation.run(3, "X.yaml")
    head, workers = (line for line in lines if line.startswith("srun"))
    port = next(word.rpartition("=")[2] for line in lines for word in line.split() if word.startswith("--port="))
    assert "--nodes=1 --ntasks=1 --nodelist=node0 " in head
    assert "--nodes=2 --ntasks=2 --nodelist=node1,node2 " in workers
    assert f"ray start --node-ip-address=127.0.0.1 --address=127.0.0.1:{port} " in "\n".join(lines)
    assert any("scaling.num_workers=3" in line for line in lines)


def test_all_that_was_started_is_ended_and_nothing_else(allocation: Allocation) -> None:
    _, _, lines = allocation.run(2, "X.yaml")
    assert lines[-2:] == ["ended workers", "ended head"]
    assert not any("stop" in line for line in lines)


def test_the_exit_code_is_that_of_training(allocation: Allocation) -> None:
    (allocation.folder / "glioray").write_text("#!/usr/bin/env bash\nexit 7\n")
    assert allocation.run(1, "X.yaml")[0] == 7


def test_slurms_warning_ends_training_then_ray(allocation: Allocation) -> None:
    process = allocation.start(1, "X.yaml", TRAIN_S="60")
    give_up_at = time.monotonic() + 30
    while not any(line.startswith("glioray") for line in allocation.lines()) and time.monotonic() < give_up_at:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 143
    assert allocation.lines()[-1] == "ended head"


def test_a_node_that_does_not_join_is_one_line(allocation: Allocation) -> None:
    code, said, lines = allocation.run(2, "X.yaml", ALIVE="1", GLIORAY_WAIT_S="4")
    assert code == 1
    assert "1 of 2 nodes joined" in said
    assert not any(line.startswith("glioray") for line in lines)


def test_a_node_without_a_core_to_read_is_refused(allocation: Allocation) -> None:
    code, said, lines = allocation.run(1, "X.yaml", SLURM_CPUS_PER_TASK="1")
    assert (code, lines) == (1, [])
    assert "leaves no core to read data" in said


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not here")
def test_shellcheck_has_nothing_to_say() -> None:
    assert subprocess.run(["shellcheck", str(SCRIPT)], capture_output=True, text=True).stdout == ""
