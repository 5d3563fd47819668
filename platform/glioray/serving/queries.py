"""A query that a call does not know is refused: misspelt, it would be left out without a word."""

from __future__ import annotations

from fastapi import Request
from fastapi.routing import APIRoute

from glioray.errors import did_you_mean
from glioray.serving.problems import ProblemError

_LONGEST_SHOWN = 80


async def only_known(request: Request) -> None:
    """Before a call is answered, or its body read.

    Raises:
        ProblemError: 422, with the nearest name or all that there are.
    """
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    known = [field.alias for field in route.dependant.query_params]
    for name in request.query_params:
        if name not in known:
            raise ProblemError(
                422,
                "The request asks for what is not known",
                f"{route.path} knows no {name[:_LONGEST_SHOWN]!r}{did_you_mean(name, known)}",
            )
