"""What is wrong with the links of a folder of pages: places that are not there, and things loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADING = ("script", "img", "iframe", "source", "video", "audio", "embed")


class Page(HTMLParser):
    """One page read: its anchors, where it links to, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors, self.links, self.loads = {""}, [], []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Of every element, what it is called and where it leads."""
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") != "canonical":
            self.loads.append(values.get("href", ""))
        elif tag in _LOADING and "src" in values:
            self.loads.append(values["src"])


def problems(folder: Path) -> list[str]:
    """A line for each link that leads nowhere, and for each thing that a page would ask another machine for."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}
    return [f"{path.relative_to(folder)}: {line}" for path, page in pages.items() for line in _of(path, page, pages)]


def _of(path: Path, page: Page, pages: dict[Path, Page]) -> Iterator[str]:
    for link in page.loads:
        if urlsplit(link).netloc:
            yield f"loads {link} from elsewhere"
    if path.name == "404.html":
        return  # it is shown at any depth, so its links are of the site's root
    for link in [*page.links, *page.loads]:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if not target.is_file():
            yield f"{link}: there is no such file"
        elif target in pages and unquote(parts.fragment) not in pages[target].anchors:
            yield f"{link}: there is no such place in that page"
