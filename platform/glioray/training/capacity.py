"""Whether the cluster is large enough for a run: asked before it starts, and while it waits for lost machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import ray
from ray._private.state import state
from ray.exceptions import RaySystemError

from glioray.errors import ClusterError

if TYPE_CHECKING:  # see `board`
    from glioray.recipe import Scaling


def require_capacity(scaling: Scaling) -> None:
    """Refuses more than the cluster has or may grow to, which Ray would wait for without end.

    Raises:
        ClusterError: says what is short, and which setting to lower.
    """
    there, later = ray.cluster_resources(), _autoscaled()
    for kind, amount in _asked(scaling).items():
        most = max(there.get(kind, 0), later.get(kind, 0))
        if amount > most:
            lower = "scaling.min_workers" if scaling.is_elastic else "scaling.num_workers"
            raise ClusterError(
                f"scaling asks for {amount:g} {kind} ({scaling.fewest_workers} workers), the cluster has {most:g}: "
                f"lower {lower} or scaling.cpus_per_worker"
                + (", or set scaling.use_gpu=false" if kind == "GPU" else "")
            )


def shortage(scaling: Scaling) -> str | None:
    """What the cluster lacks just now for the run to go on, as `2 CPU, the cluster has 1`; or none."""
    there = ray.cluster_resources()
    lacking = (
        f"{amount:g} {kind}, the cluster has {there.get(kind, 0):g}"
        for kind, amount in _asked(scaling).items()
        if amount > there.get(kind, 0)
    )
    return next(lacking, None)


def _autoscaled() -> Mapping[str, float]:
    """What an autoscaler may come to; nothing where there is none, or where it is out of sight, as for `ray://`."""
    try:
        return state.get_max_resources_from_cluster_config() or {}
    except RaySystemError:
        return {}


def _asked(scaling: Scaling) -> Mapping[str, float]:
    workers = scaling.fewest_workers
    return {"CPU": workers * scaling.cpus_per_worker, "GPU": float(workers * scaling.use_gpu)}
