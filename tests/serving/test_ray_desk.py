"""The desk as a replica sees it. Ray is imported here, and none is started."""

from __future__ import annotations

from contextvars import ContextVar
from types import SimpleNamespace

from glioray.serving.ray_desk import RemoteDesk
from glioray.serving.settings import ServeArgs

REQUEST = ContextVar("request", default="nobody's")


def test_what_is_dropped_is_not_cancelled_with_the_request_of_who_hung_up():
    sent = []
    handle = SimpleNamespace(drop=SimpleNamespace(remote=lambda job_id: sent.append((job_id, REQUEST.get()))))
    REQUEST.set("of who hung up")

    RemoteDesk(handle, ServeArgs()).drop("job-1")

    assert sent == [("job-1", "nobody's")]
