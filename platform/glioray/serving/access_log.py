"""The access log: a line of JSON for each request, without anything of the image."""

from __future__ import annotations

import datetime
import json
import logging
import sys
from logging.handlers import WatchedFileHandler

from glioray.errors import ServingError
from glioray.serving.visit import Visit

NAME = "glioray.access"


def open_log(path: str | None) -> logging.Logger:
    """The logger `glioray.access`, to this process' error stream and, if a path is given, to a file too.

    The file is opened anew where a rotation has moved it away.

    Raises:
        ServingError: the file cannot be written.
    """
    logger = logging.getLogger(NAME)
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if path is not None:
        try:
            handlers.append(WatchedFileHandler(path, encoding="utf-8"))
        except OSError as error:
            raise ServingError(f"args.access_log: {path} cannot be written ({error.strerror})") from None
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(message)s"))
    for handler in tuple(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    for handler in handlers:
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return logger


def line_of(visit: Visit) -> str:
    """One line; `null` where there is nothing to say."""
    now = datetime.datetime.now(datetime.UTC)
    return json.dumps(
        {
            "time": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "request_id": visit.request_id,
            "key": visit.key_name,
            "method": visit.method,
            "route": visit.route,
            "status": visit.status,
            "model": visit.model,
            "version": visit.version,
            "ms": round(visit.elapsed_s * 1000, 1),
            "bytes_in": visit.bytes_in,
        }
    )
