"""Pages for a browser, which may run and load only what the service itself sends."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from glioray import pages
from glioray.serving import docs_page

STYLE = "page.css"
SCRIPTS = ("page.js", "markdown.js", "models.js", "asking.js", "answer.js", "pictures.js", "events.js")
"""in the order in which a browser reads them: each uses what those before it say, and the last one starts"""
_ALLOWED = "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def install(api: FastAPI) -> None:
    """`/`, to drop an image on, and `/docs`, to read."""
    style, *scripts = (Markup(_text(name)) for name in (STYLE, *SCRIPTS))  # noqa: S704 - our own files
    page = pages.render("glioray.serving", "web/index.html.j2", style=style, scripts=scripts)

    @api.get("/", include_in_schema=False)
    async def index() -> HTMLResponse:
        return _answer(page)

    @api.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        return _answer(docs_page.render(api.openapi(), style, str(request.base_url).rstrip("/")))


def _text(name: str) -> str:
    return resources.files("glioray.serving").joinpath("web", name).read_text(encoding="utf-8")


def inline(page: str, tag: str) -> list[str]:
    """What stands between `<script>` and `</script>`, or between those of `style`, of each there is."""
    return re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)


def policy(page: str) -> str:
    """A content security policy: the page's own scripts and styles run, known by their hashes, and no others."""
    sources = {f"{tag}-src": " ".join(_hash(text) for text in inline(page, tag)) for tag in ("script", "style")}
    own = "; ".join(f"{name} {hashes}" for name, hashes in sources.items() if hashes)
    return f"default-src 'none'; {own}; {_ALLOWED}"


def _answer(page: str) -> HTMLResponse:
    return HTMLResponse(page, headers={"Content-Security-Policy": policy(page)})


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"
