"""What is served, from where, and how much of it at once; the `args:` of a file in `serve/`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from glioray.errors import ServingError
from glioray.frozen import Frozen
from glioray.problems import Problems
from glioray.recipe_file import read_shipped
from glioray.serving.volume_settings import VolumeArgs

IMPORT_PATH = "glioray.serving.app:build"
_ORIGIN = re.compile(r"https?://[a-z0-9.\[\]:-]+")


class ServeArgs(Frozen):
    """Settings of the service; data only."""

    registry: str = Field("registry", min_length=1, description="address that `glioray publish` published to")
    models: tuple[str, ...] = Field(
        (),
        description="NAME follows `glioray rollout`, NAME@ALIAS where the alias is moved to, NAME@VERSION stays; none: "
        "every name, at its latest version where nothing was rolled out",
    )
    replicas: int = Field(1, ge=1, le=256, description="processes that answer, each with all models")
    max_replicas: int | None = Field(
        None, ge=1, le=256, description="as many while each has more than a batch of requests; none: always `replicas`"
    )
    threads: int = Field(1, ge=1, le=256, description="cores that one replica computes on")
    cpus_per_replica: float = Field(
        0, ge=0, le=256, description="cores that Ray keeps for each replica; 0 lets all share what there is"
    )
    precision: Literal["fp32", "bf16"] = Field("fp32", description="fp32 answers as the evaluation did, bf16 faster")
    max_batch_size: int = Field(16, ge=1, le=1024, description="images of one pass through the network")
    batch_wait_ms: float = Field(0, ge=0, le=1000, description="how long a pass waits for more images")
    max_queued_requests: int = Field(
        64, ge=1, le=100_000, description="requests that wait for a model; one more is told to come back"
    )
    retry_after_s: int = Field(1, ge=1, le=3600, description="when a refused request may come back")
    request_timeout_s: float = Field(30, gt=0, le=3600, description="how long a model may take to answer")
    max_body_mb: float = Field(25, gt=0, le=1024, description="largest body that is read, in 10^6 bytes")
    total_timeout_s: float = Field(
        120, gt=0, le=86_400, description="how long a request may take in all, the arrival of its body with it"
    )
    keys_file: str | None = Field(
        None,
        min_length=1,
        description="file with a NAME:KEY a line, read again when it changes, on the node that speaks HTTP; none takes "
        "GLIORAY_API_KEYS_FILE or GLIORAY_API_KEYS, and without keys only this machine is answered",
    )
    allowed_origins: tuple[str, ...] = Field(
        (), description="pages elsewhere that a browser lets ask, as https://viewer.example.org; none by default"
    )
    access_log: str | None = Field(
        None, min_length=1, description="file for a line of JSON a request, besides the error stream of the replica"
    )
    follow_s: float = Field(
        2, ge=0, le=3600, description="how often a replica looks what is rolled out, and where aliases point; 0: never"
    )
    volumes: VolumeArgs = Field(VolumeArgs(), description="how large volumes may be, and how many are kept")

    @property
    def max_body_bytes(self) -> int:
        """Largest body that is read."""
        return int(self.max_body_mb * 1e6)

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is not SCHEME://HOST or SCHEME://HOST:PORT, in small letters")
        return origins

    @model_validator(mode="after")
    def _may_grow(self) -> ServeArgs:
        if self.max_replicas is not None and self.max_replicas < self.replicas:
            raise ValueError(f"max_replicas {self.max_replicas} is below replicas {self.replicas}")
        return self

    @model_validator(mode="after")
    def _model_may_answer_in_time(self) -> ServeArgs:
        if self.total_timeout_s < self.request_timeout_s:
            raise ValueError(
                f"total_timeout_s {self.total_timeout_s:g} is below request_timeout_s {self.request_timeout_s:g}, "
                "which it includes: raise the first or lower the second"
            )
        return self

    @classmethod
    def from_yaml(cls, path: Path, **instead: Any) -> ServeArgs:
        """The `args:` of our application in a file of `serve/`, there or shipped, some of them replaced.

        Raises:
            ServingError: the file is not there or serves something else, or a setting is wrong; each is named.
        """
        problems = Problems(str(path), ServingError)
        content = read_shipped(path, "file", ServingError)
        args = problems.check(cls, {**_args_of(content, path), **instead}, "args.")
        problems.raise_if_any()
        return args  # type: ignore[return-value]


def _args_of(content: Any, path: Path) -> dict[str, Any]:
    applications = content.get("applications") if isinstance(content, dict) else None
    for application in applications if isinstance(applications, list) else ():
        if isinstance(application, dict) and application.get("import_path") == IMPORT_PATH:
            args = application.get("args") or {}
            if not isinstance(args, dict) or not all(isinstance(name, str) for name in args):
                raise ServingError(f"{path}: args holds settings (registry, models, ...), not {args!r}")
            return args
    raise ServingError(f"{path}: has no application with import_path {IMPORT_PATH!r}; see serve/local.yaml")
