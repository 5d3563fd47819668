"""What stands around the API: an id and a time limit for each request, safe headers, the door, the log, the counts.

Pure ASGI, so that a body is passed on as it arrives and nothing is held in memory.
"""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from dataclasses import dataclass, field

from fastapi import FastAPI, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from glioray.serving import access_log, metrics, problems
from glioray.serving.door import Door
from glioray.serving.keys import Keys
from glioray.serving.metrics import Metrics, NoMetrics
from glioray.serving.problems import Problem
from glioray.serving.visit import SCOPE_KEY, Visit

REQUEST_ID = "x-request-id"
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
POLICY_VIOLATION = 1008
SECURITY_HEADERS = {
    # What a page may load it says itself, see web_page.py; any other answer is never a page.
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


@dataclass(frozen=True)
class Rules:
    """What holds for every request."""

    keys: Keys | None = None
    """none: only this machine is answered"""
    allowed_origins: tuple[str, ...] = ()
    """of pages elsewhere that may ask, such as `https://viewer.example.org`"""
    timeout_s: float = 120
    """from the headers to the end of the answer, the body's arrival with it"""
    server_sends_id: bool = False
    """whether the server itself puts the id into the answer, as Ray Serve's proxy does"""
    metrics: Metrics = field(default_factory=NoMetrics)
    log: logging.Logger | None = None


class Guard:
    """The API behind its rules, as an ASGI app."""

    def __init__(self, api: FastAPI, rules: Rules) -> None:
        self.routes = api.routes  # Serve names what it counts by them
        self._api = api
        self._rules = rules
        self._paths = {getattr(route, "path", None) for route in api.routes}
        self._app = _open_to(rules.allowed_origins, Door(api, rules.keys, rules.allowed_origins))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An HTTP request; a websocket is refused, since nothing here asks it for a key."""
        if scope["type"] == "lifespan":
            await self._api(scope, receive, send)
        elif scope["type"] == "http":
            await self._visit(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})

    async def _visit(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        asked_id = headers.get(REQUEST_ID, "")
        is_sane = _SANE_ID.fullmatch(asked_id) is not None
        visit = Visit(asked_id if is_sane else uuid.uuid4().hex, scope["method"])
        visit.route = scope["path"] if scope["path"] in self._paths else None
        scope[SCOPE_KEY] = visit
        exchange = _Exchange(visit, receive, send, _has_body(headers), is_sane and self._rules.server_sends_id)
        try:
            async with asyncio.timeout(self._rules.timeout_s) as limit:
                await self._app(scope, exchange.receive, exchange.send)
        except TimeoutError:
            if not limit.expired():
                raise
            await self._end_late(scope, exchange)
        finally:
            self._conclude(scope, visit)

    async def _end_late(self, scope: Scope, exchange: _Exchange) -> None:
        """An answer that has begun is left as it is: the server then cuts the connection, and the client sees it."""
        if exchange.visit.status is not None:
            return
        after = f"{self._rules.timeout_s:g} s after the request began"
        if exchange.is_body_due:
            title, detail = "The request came too slowly", f"{after}, {exchange.visit.bytes_in} bytes of it had come."
            problem = Problem(408, title, f"{detail} Send it again over a faster line, or send less.")
        else:
            problem = Problem(503, "The answer takes too long", f"There was none {after}. Send less at once.")
        await problems.response(problem, Request(scope))(scope, exchange.receive, exchange.send)

    def _conclude(self, scope: Scope, visit: Visit) -> None:
        visit.route = getattr(scope.get("route"), "path", visit.route)
        if self._rules.log is not None:
            self._rules.log.info(access_log.line_of(visit))
        for measured in metrics.of_visit(visit):
            self._rules.metrics.add(measured)


class _Exchange:
    """Both ways of a request, counted and completed with headers."""

    def __init__(self, visit: Visit, receive: Receive, send: Send, has_body: bool, is_id_sent: bool) -> None:
        self.visit = visit
        self.is_body_due = has_body
        self._receive = receive
        self._send = send
        self._is_id_sent = is_id_sent

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self.visit.bytes_in += len(message.get("body", b""))
            self.is_body_due = message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.visit.status = message["status"]
            self._complete(MutableHeaders(scope=message))
        await self._send(message)

    def _complete(self, headers: MutableHeaders) -> None:
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)
        if not self._is_id_sent:
            headers[REQUEST_ID] = self.visit.request_id
        if self.is_body_due:
            # Else the rest of a refused body could trickle in for ever, on a connection that nobody watches any more.
            headers["connection"] = "close"


def _open_to(origins: tuple[str, ...], app: ASGIApp) -> ASGIApp:
    """The app, with the answers by which a browser lets pages of these origins ask; none by default."""
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "POST", "DELETE"),
        allow_headers=("Authorization", "X-API-Key", "Content-Type", "X-Request-Id"),
        expose_headers=("X-Request-Id", "Retry-After"),
    )


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
