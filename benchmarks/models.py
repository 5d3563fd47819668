"""Images a second of every model, in training and in answering: as the earlier project runs it, and as glioray does.

    python benchmarks/models.py [--models improved_unet vit] [--seconds 3] [--rounds 3] [--threads 2] [--json]
                                [--device cuda] [--clock core] [--compile] [--profile]

U-Nets see 4 x 240 x 240 px (timm_unet 256) and have 16 filters, classifiers 3 x 128 x 128. Nothing is read: the images
are in memory already. The ways (`_ways.py` says what each is) run in processes of their own that take turns, so that a
machine that slows down slows all of them; a figure is the median over the rounds, a ratio that of two medians. On a
machine that others use, too, `--threads 1 --clock core` counts the seconds that a core worked, not those that went by.

train_ratio, answer_ratio: ours to the earlier way. train_ratio_over_bf16: ours to the earlier network in bf16 and with
its channels last, so what is left of a ratio is not the number format. bf16_peak_share: the products of a training step
by the second, of what a large matrix product in bf16 reaches on the same device. With --compile: how many seconds the
first step and answer take, and after how many training images they have paid for themselves. --profile: the operations
of the separable block, before and after.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from statistics import median
from typing import Any

import torch
from _block_profile import print_profile, profile_block
from _plain import NAMES
from _ways import WAYS, Setting, serve_way, train_gflop

from glioray.models._contract import num_parameters

EXTRAS = ("timm_classifier", "timm_unet")
CLOCKS = {"wall": time.perf_counter, "core": time.process_time}


def main() -> None:
    """Measures, and prints a table or JSON."""
    options = parse()
    torch.set_num_threads(options.threads)
    if options.way:
        setting = Setting(options.models[0], torch.device(options.device), CLOCKS[options.clock])
        serve_way(options.way, setting, options.seconds)
        return
    found = {}
    if not options.json:
        print_head(options)
    for name in options.models:
        found[name] = measure(name, options)
        if not options.json:
            print_row(name, found[name])
    profiles = profile_block() if options.profile else {}
    if options.json:
        print(json.dumps({**found, **({"profile": profiles} if profiles else {})}))
    elif profiles:
        print()
        print_profile(profiles)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=[*NAMES, *EXTRAS], choices=[*NAMES, *EXTRAS], metavar="NAME")
    parser.add_argument("--seconds", type=float, default=3.0, help="of one turn, at least one step")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--clock", choices=sorted(CLOCKS), default="wall", help="core: on a machine with other work")
    parser.add_argument("--compile", action="store_true", help="also ours after torch.compile; takes minutes a model")
    parser.add_argument("--profile", action="store_true", help="also the operations of the separable block")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(model: str, options: argparse.Namespace) -> dict[str, Any]:
    """Of one model the rates of every way, by turns, and what follows from them."""
    ways = {name: Worker(name, model, options) for name in WAYS if name != "compiled" or options.compile}
    first_s = {name: worker.result()["first_s"] for name, worker in ways.items()}
    rates: dict[str, dict[str, list[float]]] = {"train": {name: [] for name in ways}, "answer": {n: [] for n in ways}}
    for _ in range(options.rounds):
        for work, of_work in rates.items():
            for name, worker in ways.items():
                of_work[name].append(worker.do(work)["rate"])
    ends = {name: worker.do("end") for name, worker in ways.items()}
    train, answer = ({name: median(each) for name, each in of_work.items()} for of_work in rates.values())
    return summary(Setting(model, torch.device(options.device)), train, answer, first_s, ends)


class Worker:
    """A process that trains and answers in one way when it is told to."""

    def __init__(self, way: str, model: str, options: argparse.Namespace) -> None:
        command = [sys.executable, __file__, "--way", way, "--models", model, "--device", options.device]
        command += ["--seconds", str(options.seconds), "--threads", str(options.threads), "--clock", options.clock]
        environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)

    def do(self, work: str) -> dict[str, float]:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{work}\n")
        self.process.stdin.flush()
        return self.result()

    def result(self) -> dict[str, float]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(self.process.args)} ended without a result")
        found: dict[str, float] = json.loads(line)
        return found


def summary(
    setting: Setting,
    train: dict[str, float],
    answer: dict[str, float],
    first_s: dict[str, float],
    ends: dict[str, dict[str, float]],
) -> dict[str, Any]:
    from _ways import our_network

    tflops = train["ours"] * train_gflop(setting) / 1e3
    peak_tflops = max(figures["peak_tflops"] for figures in ends.values())  # other work can only lower it
    found: dict[str, Any] = {
        "train_ratio": train["ours"] / train["plain"],
        "train_ratio_over_bf16": train["ours"] / train["plain_bf16"],
        "answer_ratio": answer["ours"] / answer["plain"],
        "answer_ratio_over_bf16": answer["ours"] / answer["plain_bf16"],
        "parameters": num_parameters(our_network(setting)),
        "bf16_peak_share": tflops / peak_tflops,
        "peak_mb": {name: figures["peak_mb"] for name, figures in ends.items()},
        "train_images_per_s": train,
        "answer_images_per_s": answer,
    }
    if "compiled" in train:
        gain_s = 1 / train["ours"] - 1 / train["compiled"]  # an image
        found["compiled_train_ratio"] = train["compiled"] / train["ours"]
        found["compile_s"] = first_s["compiled"] - first_s["ours"]
        found["compile_pays_after_images"] = found["compile_s"] / gain_s if gain_s > 0 else None
    return found


def print_head(options: argparse.Namespace) -> None:
    where = torch.cuda.get_device_name() if options.device == "cuda" else f"{options.threads} threads"
    print(
        f"images/s: earlier, earlier in bf16 with channels last, ours ({where}, medians of {options.rounds} rounds)\n"
    )
    head = f"{'':<16}{'train':>9}{'bf16':>9}{'ours':>9}{'ratio':>7}{'/bf16':>7}"
    head += f"{'answer':>10}{'bf16':>9}{'ours':>9}{'ratio':>7}{'peak MB':>10}{'bf16':>8}{'ours':>8}{'of peak':>9}"
    print(head, flush=True)


def print_row(name: str, figures: dict[str, Any]) -> None:
    train, answer, peak_mb = (figures[key] for key in ("train_images_per_s", "answer_images_per_s", "peak_mb"))
    row = f"{name:<16}{train['plain']:>9.2f}{train['plain_bf16']:>9.2f}{train['ours']:>9.2f}"
    row += f"{figures['train_ratio']:>7.2f}{figures['train_ratio_over_bf16']:>7.2f}{answer['plain']:>10.1f}"
    row += f"{answer['plain_bf16']:>9.1f}{answer['ours']:>9.1f}{figures['answer_ratio']:>7.2f}"
    row += f"{peak_mb['plain']:>10,.0f}{peak_mb['plain_bf16']:>8,.0f}{peak_mb['ours']:>8,.0f}"
    print(f"{row}{figures['bf16_peak_share']:>9.1%}", flush=True)
    if "compile_s" in figures:
        after = figures["compile_pays_after_images"]
        pays = f"pays after {after:,.0f} images" if after else "does not pay"
        print(
            f"  compiled: {figures['compiled_train_ratio']:.2f} x ours, {figures['compile_s']:.0f} s, {pays}",
            flush=True,
        )


if __name__ == "__main__":
    main()
