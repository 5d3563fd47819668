"""The documentation as a site: pages of docs/, pages made from schemas and docstrings, one strict build.

    python docs/site/build.py OUT

Zensical (MkDocs' successor, by the authors of its Material theme; it reads mkdocs.yml) has no hooks, so all pages are
put together in a temporary folder first: README and the pages of docs/ as they are, but `docs/NAME.md` made a link;
settings from the pydantic schemas; a page for each part of the package, which mkdocstrings fills. OUT is replaced as a
whole, and only by a site whose links all lead somewhere and which loads nothing from elsewhere.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import settings
import yaml
from links import problems

from glioray.data.folder import atomic_folder

ROOT = Path(__file__).resolve().parents[2]
DOCS, SITE = ROOT / "docs", ROOT / "docs" / "site"
FROM_THE_TOP = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
PYTHON = {
    "recipe": ("A recipe", ["glioray.recipe", "glioray.options"]),
    "data": (
        "Prepared data",
        ["glioray.data.prepare", "glioray.data.prepare_options", "glioray.data.prepared", "glioray.data.manifest"],
    ),
    "models": ("Models", ["glioray.models._contract", "glioray.models._blocks", "glioray.models._maps"]),
    "tasks": (
        "Tasks",
        ["glioray.tasks._contract", "glioray.tasks.classification", "glioray.tasks.segmentation"],
    ),
    "training": (
        "Training",
        ["glioray.training.plan", "glioray.training.loop", "glioray.training.epoch", "glioray.training.worker"],
    ),
    "registry": ("Bundles and the registry", ["glioray.registry.bundle", "glioray.registry.store"]),
    "evaluation": (
        "Evaluation",
        ["glioray.evaluation.run", "glioray.evaluation.result", "glioray.evaluation.bootstrap"],
    ),
    "explain": (
        "Explanations",
        [
            "glioray.explain.methods",
            "glioray.explain.gradcam",
            "glioray.explain.attention",
            "glioray.serving.explaining",
        ],
    ),
    "serving": ("Answers", ["glioray.serving.predictor"]),
    "client": ("The HTTP client", ["glioray.client"]),
    "errors": ("Errors", ["glioray.errors"]),
}
_NAMED_PAGE = re.compile(r"`docs/([a-z-]+)\.md`|\[docs/([a-z-]+)\.md\]\(docs/\2\.md\)")


def main() -> None:
    """Builds into the folder that is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of the site, replaced")
    out = parser.parse_args().out
    if out.is_dir() and any(out.iterdir()) and not (out / "sitemap.xml").exists():
        sys.exit(f"{out}: holds something that is no site; name a new or an empty folder")
    with tempfile.TemporaryDirectory(prefix="glioray-docs-") as folder:
        work = Path(folder)
        gather(work)
        built = subprocess.run([sys.executable, "-m", "zensical", "build", "--strict"], cwd=work)
        found = [] if built.returncode else problems(work / "site")
        if built.returncode or found:
            sys.exit("\n".join([*found, "the documentation was not built: see above"]))
        with atomic_folder(out) as partial:
            shutil.copytree(work / "site", partial, dirs_exist_ok=True)
    print(f"{len(list(out.rglob('*.html')))} pages: {out / 'index.html'}")


def gather(work: Path) -> None:
    """All that the build reads, in one folder.

    Raises:
        SystemExit: a page is not in the nav, or a page that is named is not there.
    """
    pages = work / "pages"
    pages.mkdir()
    shutil.copy(SITE / "mkdocs.yml", work)
    shutil.copy(SITE / "site.css", pages)
    (work / "platform").symlink_to(ROOT / "platform")
    for picture in DOCS.glob("*.png"):
        shutil.copy(picture, pages)
    texts = {f"{page.name}": page.read_text(encoding="utf-8") for page in DOCS.glob("*.md")}
    titles = {name: _title(text) for name, text in texts.items()}
    texts |= {name: (ROOT / top).read_text(encoding="utf-8") for top, name in FROM_THE_TOP.items()}
    texts = {name: _on_the_site(with_links(text, titles)) for name, text in texts.items()}
    texts |= settings.pages() | {f"python/{name}.md": python_page(*of) for name, of in PYTHON.items()}
    for name, text in texts.items():
        (pages / name).parent.mkdir(exist_ok=True)
        (pages / name).write_text(text, encoding="utf-8")
    _require_all_in_nav(set(texts), (work / "mkdocs.yml").read_text(encoding="utf-8"))


def with_links(text: str, titles: dict[str, str]) -> str:
    """`docs/NAME.md`, as a reader of the files needs it, made a link with the page's title.

    Raises:
        SystemExit: there is no such page.
    """

    def link(found: re.Match[str]) -> str:
        name = f"{found[1] or found[2]}.md"
        if name not in titles:
            sys.exit(f"docs/{name} is named in the documentation, but there is no such page")
        return f"[{titles[name]}]({name})"

    return _NAMED_PAGE.sub(link, text)


def _on_the_site(text: str) -> str:
    """Other links of the top pages; what is no page is named without one."""
    for top, name in FROM_THE_TOP.items():
        text = text.replace(f"]({top})", f"]({name})")
    return re.sub(r"\[([^\]]+)\]\((notebooks/[^)]+)\)", r"\1 (`\2`)", text.replace("](docs/", "]("))


def python_page(title: str, modules: list[str]) -> str:
    """What mkdocstrings makes a page of docstrings of."""
    return "\n\n".join([f"# {title}", settings.NOT_A_DEVICE, *(f"::: {module}" for module in modules), ""])


def _title(text: str) -> str:
    return text.partition("\n")[0].removeprefix("# ")


def _require_all_in_nav(names: set[str], config: str) -> None:
    named = set(_leaves(yaml.safe_load(config)["nav"]))
    if left_out := sorted(names - named):
        sys.exit(f"docs/site/mkdocs.yml: give {', '.join(left_out)} a place in nav")


def _leaves(part: object) -> list[str]:
    if isinstance(part, dict):
        return [leaf for inner in part.values() for leaf in _leaves(inner)]
    return [leaf for inner in part for leaf in _leaves(inner)] if isinstance(part, list) else [str(part)]


if __name__ == "__main__":
    main()
