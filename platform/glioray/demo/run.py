"""Phantom, prepare, train, evaluate, publish, serve, ask over HTTP: the verbs of the command line in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glioray.cluster import LOCAL, LOOPBACK, connect, free_port
from glioray.data.phantom import PhantomSettings, write_phantom
from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import PreparedDataset
from glioray.data.progress import OnProgress
from glioray.data.records import TaskName
from glioray.demo.ask import Asked, ask_classifier, ask_segmenter
from glioray.demo.page import REGISTRY, write_page
from glioray.evaluation.arrangement import Entry
from glioray.evaluation.result import Evaluation
from glioray.evaluation.together import evaluate_runs
from glioray.recipe import Recipe
from glioray.registry.card import describe
from glioray.registry.locate import locate
from glioray.registry.store import Store
from glioray.serving.run import serving
from glioray.serving.settings import ServeArgs
from glioray.training.plan import plan_run
from glioray.training.watch import Watcher
from glioray.training.watching.choice import chosen_listeners
from glioray.training.watching.listener import told
from glioray.training.watching.page import Invocation

PHANTOM = PhantomSettings(num_patients=192, image_size=128, num_slices=24, slices_per_patient=4)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Task:
    """One of the two: what it and its model are called, and which settings of its recipe a small machine changes."""

    name: TaskName
    published_as: str
    recipe: Path
    settings: Mapping[str, Any]


TASKS = (
    Task(
        "classification",
        "demo-kinds",
        Path("search_spaces/custom_cnn.yaml"),
        {"budget.epochs": 14, "budget.batch_size": 32},
    ),
    Task(
        "segmentation",
        "demo-regions",
        Path("search_spaces/classic_unet.yaml"),
        {"budget.epochs": 14, "model.base_filters": 8, "model.norm": "none", "augmentation.fill": 0.0},
    ),
)


@dataclass(frozen=True)
class Finished:
    """One task, come to its end: data, run folder, test scores, and what the service answered."""

    task: Task
    data: PreparedDataset
    run: Path
    evaluation: Evaluation
    asked: tuple[Asked, ...]


def run_demo(out: Path, bar: OnProgress, say: Say) -> dict[str, Any]:
    """Everything into one folder, with `index.html` to open; gives the figures to print.

    Raises:
        GliorayError: a step says what is wrong.
    """
    started_at = time.perf_counter()
    say("1/6 phantom: synthetic patients, from real anatomy")
    write_phantom(out / "phantom", PHANTOM, lambda done, total: bar("phantom, patients", done, total))
    say("2/6 prepare: shards of both tasks, split by patient")
    prepared = {task.name: _prepare(task, out, bar) for task in TASKS}
    with connect(LOCAL, dashboard=True):
        trained = {task.name: _train(task, out, prepared[task.name], bar, say) for task in TASKS}
        say("4/6 evaluate: the test split, once;  5/6 publish")
        scored = {
            task.name: _evaluate_and_publish(out, task, prepared[task.name], trained[task.name]) for task in TASKS
        }
        say("6/6 serve, and ask over HTTP")
        answers = _ask(out, prepared, trained)
    finished = [Finished(task, prepared[n := task.name], trained[n], scored[n], answers[n]) for task in TASKS]
    elapsed_s = time.perf_counter() - started_at
    page = write_page(out, finished, elapsed_s)
    return {"page": str(page), **_figures(finished), "elapsed_s": round(elapsed_s, 1)}


def _prepare(task: Task, out: Path, bar: OnProgress) -> PreparedDataset:
    options = PrepareOptions(task=task.name, image_size=128)

    def show(stage: str, done: int, total: int) -> None:
        bar(f"{task.name}, {stage}", done, total)

    return prepare("phantom", out / "phantom", out / "data" / task.name, options, show)


def _train(task: Task, out: Path, data: PreparedDataset, bar: OnProgress, say: Say) -> Path:
    from glioray.training.run import train

    settings = {"data.path": str(data.folder), **task.settings}
    recipe = Recipe.from_yaml(task.recipe).with_settings(settings)
    say(f"3/6 train: {recipe.model.name} for {task.name}, through Ray Train")
    plan = plan_run(recipe, out / "runs")
    if plan.is_complete:
        return plan.folder
    watcher = Watcher(lambda _, done, total: bar(f"train {recipe.model.name}", done, total), say, plan.measure)
    written = [f"{path}={value}" for path, value in settings.items()]
    invocation = Invocation.of(task.recipe, written, None, str(out / "runs"), str(plan.folder))
    with told(plan, (watcher, *chosen_listeners(plan, invocation, {}, say)), say) as audience:
        train(plan, audience, say)
    return plan.folder


def _evaluate_and_publish(out: Path, task: Task, data: PreparedDataset, run: Path) -> Evaluation:
    registry = str(out / REGISTRY)
    found = locate(str(run), registry)
    evaluation = evaluate_runs([Entry(str(run), found)], data.folder, None, "test", _quietly).evaluations[0]
    Store(registry).publish(found.folder, task.published_as)
    return evaluation


def _quietly(stage: str, done: int, total: int) -> None:
    del stage, done, total


def _ask(
    out: Path, prepared: Mapping[TaskName, PreparedDataset], trained: Mapping[TaskName, Path]
) -> dict[TaskName, tuple[Asked, ...]]:
    args = ServeArgs(registry=str(out / REGISTRY), models=tuple(task.published_as for task in TASKS))
    kinds, regions = prepared["classification"], prepared["segmentation"]
    with serving(args, LOOPBACK, free_port(8000)) as url:
        return {
            "classification": ask_classifier(url, out / "phantom", kinds, trained["classification"]),
            "segmentation": ask_segmenter(url, regions, trained["segmentation"]),
        }


def _figures(finished: list[Finished]) -> dict[str, str]:
    figures = {}
    for one in finished:
        for score in one.evaluation.headline[:2]:
            figures[f"{one.task.name}, {score.name}"] = describe(score, one.evaluation.leak)
        figures[f"{one.task.name}, served"] = f"{len(one.asked)} answers, all equal to the evaluation's"
    return figures
