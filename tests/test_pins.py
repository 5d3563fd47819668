"""No pin, and no lowest version that is asked for, has a flaw that was published with a version that mends it.

Compared by hand, since no list of advisories is reached where this was written: it holds some that were known then, and
keeps a pin from falling below them. `pip-audit -r constraints.txt` asks for all, where there is a network.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parent.parent
MENDED_IN = {
    "aiohttp": ("3.13.3", "CVE-2025-69223"),
    "certifi": ("2024.7.4", "CVE-2024-39689"),
    "cryptography": ("44.0.1", "CVE-2024-12797"),
    "filelock": ("3.20.1", "CVE-2025-68146"),
    "flask": ("3.1.1", "CVE-2025-47278"),
    "flask-cors": ("6.0.0", "CVE-2024-6866"),
    "fonttools": ("4.60.2", "CVE-2025-66034"),
    "h11": ("0.16.0", "CVE-2025-43859"),
    "idna": ("3.7", "CVE-2024-3651"),
    "jinja2": ("3.1.6", "CVE-2025-27516"),
    "monai": ("1.5.1", "CVE-2025-58757"),
    "onnx": ("1.17.0", "CVE-2024-7776"),
    "pillow": ("11.3.0", "CVE-2025-48379"),
    "protobuf": ("6.31.1", "CVE-2025-4565"),
    "pyarrow": ("14.0.1", "CVE-2023-47248"),
    "python-multipart": ("0.0.18", "CVE-2024-53981"),
    "ray": ("2.59", "its security fixes; docs of the design"),
    "requests": ("2.32.4", "CVE-2024-47081"),
    "starlette": ("0.49.1", "CVE-2025-62727"),
    "torch": ("2.6.0", "CVE-2025-32434"),
    "tqdm": ("4.66.3", "CVE-2024-34062"),
    "urllib3": ("2.6.0", "CVE-2025-66418"),
    "werkzeug": ("3.0.6", "CVE-2024-49767"),
}
UNPINNED = {"mlflow", "gcs"}
"""extras that no test and no `make install` installs"""


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins() -> dict[str, Version]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    return {plain(name): Version(version) for name, _, version in (line.partition("==") for line in lines)}


def asked_for() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [
        line for name, lines in project["optional-dependencies"].items() if name not in UNPINNED for line in lines
    ]
    asked = [Requirement(line) for line in [*project["dependencies"], *extras]]
    return [one for one in asked if one.name != project["name"]]  # an extra that names others of its own


@pytest.mark.parametrize("name", MENDED_IN)
def test_the_pin_is_of_a_version_without_the_flaw(name: str) -> None:
    mended, flaw = MENDED_IN[name]

    assert pins()[name] >= Version(mended), flaw


@pytest.mark.parametrize("requirement", asked_for(), ids=str)
def test_everything_that_is_asked_for_is_pinned_and_its_lowest_version_is_without_a_flaw(
    requirement: Requirement,
) -> None:
    name = plain(requirement.name)
    (lowest,) = [Version(one.version) for one in requirement.specifier if one.operator == ">="]

    assert pins()[name] in requirement.specifier
    assert lowest >= Version(MENDED_IN.get(name, ("0", ""))[0])


def test_torch_and_torchvision_belong_together() -> None:
    found = pins()

    assert (str(found["torch"]), str(found["torchvision"])) == ("2.13.0", "0.28.0")
