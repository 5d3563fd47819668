"""The parts of a preparation as a stage of Ray Data: CPU actors that stream, on one machine or on a cluster.

Only the places of the items travel; pixels go from the actors to storage that all nodes share.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import ray
import ray.data
import ray.exceptions
import torch

from glioray.data.runners import Runner
from glioray.errors import ClusterError, DataError, GliorayError, UnreadableError

CPUS_AN_ACTOR = 0.9  # so that two on two cores leave something to what Ray Data runs beside them
Item = TypeVar("Item")
FAILED = "failed"
_KNOWN = {kind.__name__: kind for kind in (DataError, UnreadableError)}


def run_on_actors(num_workers: int) -> Runner:
    """A runner of so many actors, one core each; Ray must be connected."""

    def run(work: Callable[[Item], None], items: Sequence[Item], on_done: Callable[[Item], None]) -> None:
        if not items:
            return
        done = _places(len(items)).map_batches(
            _Actor,
            fn_constructor_args=(work, list(items)),
            batch_size=1,
            num_cpus=CPUS_AN_ACTOR,
            concurrency=min(num_workers, len(items)),
        )
        try:
            for row in done.iter_rows():
                if row["error"]:
                    raise _raised(json.loads(row["error"]))
                on_done(items[row["id"]])
        except ray.exceptions.RayError as error:
            raise _failed((str(error).strip().splitlines() or [type(error).__name__])[0]) from error

    return run


def _places(count: int) -> ray.data.Dataset:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # else it says, as warnings, how it was set up
    # Blocks of the driver's own: a task that made them would wait for a core that the actors hold.
    return ray.data.from_items([{"id": place} for place in range(count)], override_num_blocks=count)


class _Actor:
    """Does items by their place; an error that a person can mend comes back as a value, with its words unchanged."""

    def __init__(self, work: Callable[[Any], None], items: Sequence[Any]) -> None:
        torch.set_num_threads(1)
        self.work, self.items = work, items

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"id": batch["id"], "error": np.array([self._try(int(place)) for place in batch["id"]])}

    def _try(self, place: int) -> str:
        try:
            self.work(self.items[place])
        except GliorayError as error:
            return json.dumps([type(error).__name__, str(error)])
        except OSError as error:
            return json.dumps(["OSError", error.errno, error.strerror, error.filename and str(error.filename)])
        except Exception as error:
            logging.getLogger(__name__).exception("item %d", place)  # the whole of it stands in the log of the worker
            return json.dumps([FAILED, f"{type(error).__name__}: {error}"])
        return ""


def _raised(record: list[Any]) -> Exception:
    name, *details = record
    if name == FAILED:
        return _failed(*details)
    return OSError(*details) if name == "OSError" else _KNOWN.get(name, DataError)(*details)


def _failed(reason: str) -> ClusterError:
    return ClusterError(
        f"a worker failed ({reason}). The same command goes on where this one stopped; if memory ran out, with fewer "
        "--workers"
    )
