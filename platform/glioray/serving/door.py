"""Who is let in: with keys whoever has one, without keys only this machine, asked for under a loopback name.

Without keys a web page of somebody else must not reach the service through the browser of whoever sits here. So a name
in `Host` that is no loopback's is refused (DNS rebinding), and a page of another origin too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from glioray.serving import problems
from glioray.serving.keys import Keys
from glioray.serving.problems import Problem
from glioray.serving.visit import visit_of

GUARDED = "/v1"
CHALLENGE = 'Bearer realm="glioray"'


class Door:
    """Stands before the API; what is refused is answered here and its body is never read."""

    def __init__(self, app: ASGIApp, keys: Keys | None, allowed_origins: Collection[str]) -> None:
        self.app = app
        self.keys = keys
        self.allowed_origins = allowed_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Of an HTTP request."""
        headers = Headers(scope=scope)
        refused = self._key_refused(scope, headers) if self.keys is not None else self._stranger_refused(scope, headers)
        if refused is None:
            await self.app(scope, receive, send)
            return
        response = problems.response(refused, Request(scope))
        if refused.status == HTTPStatus.UNAUTHORIZED:
            has_one = _key_of(headers) is not None
            response.headers["WWW-Authenticate"] = f'{CHALLENGE}, error="invalid_token"' if has_one else CHALLENGE
        await response(scope, receive, send)

    def _key_refused(self, scope: Scope, headers: Headers) -> Problem | None:
        path = scope["path"]
        if path != GUARDED and not path.startswith(f"{GUARDED}/"):
            return None
        key = _key_of(headers)
        if key is None:
            detail = "Send the key that you were given: Authorization: Bearer KEY, or X-API-Key: KEY."
            return Problem(401, "The service asks for a key", detail)
        assert self.keys is not None
        name = self.keys.name_of(key)
        if name is None:
            return Problem(401, "The key is not valid", "It may have been replaced: ask whoever runs the service.")
        visit = visit_of(scope)
        if visit is not None:
            visit.key_name = name
        return None

    def _stranger_refused(self, scope: Scope, headers: Headers) -> Problem | None:
        client = (scope.get("client") or ("",))[0]
        if not is_loopback(client):
            detail = "It has no keys, so it answers its own machine alone: whoever runs it can give it keys."
            return Problem(403, "The service is not open to you", detail)
        host = headers.get("host", "")
        if not is_loopback(_name_in(f"//{host}")):
            detail = f"Host is {host[:100]!r}; without keys only localhost, 127.0.0.1 and [::1] are answered."
            return Problem(421, "The service does not answer to this name", detail)
        origin = headers.get("origin")
        if origin is None or origin in self.allowed_origins or is_loopback(_name_in(origin)):
            return None
        detail = f"A page of {origin[:100]!r} asks; whoever runs the service can name it in args.allowed_origins."
        return Problem(403, "The page is of another origin", detail)


def is_loopback(host: str) -> bool:
    """Whether only this machine is reached by a name or address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name_in(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _key_of(headers: Headers) -> bytes | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip().encode("latin-1")
    key = headers.get("x-api-key", "").strip()
    return key.encode("latin-1") if key else None
