"""The page, open in a real browser on the API over tiny models, and scans to drop on it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from tests.serving.browser import running, started
from tests.serving.page import BROWSER

from glioray.registry.card import render_card
from glioray.serving.api import create_api
from glioray.serving.guard import Guard, Rules

TITLES = {"AX T2 FLAIR": "flair", "AX T1": "t1", "AX T1 POST GD": "t1ce", "AX T2": "t2"}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with started(BROWSER, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def service(local_model, classifier, volume_segmenter, segmenter):
    """The API as it is served, and its models."""
    kinds, regions = local_model("kinds", classifier), local_model("regions", volume_segmenter)
    kinds.card = f"{render_card(classifier.config)}\n<img src=x onerror=alert(1)>\n"
    models = [kinds, regions, local_model("pairs", segmenter)]
    with running(Guard(create_api(models, 1_000_000), Rules())) as address:
        yield SimpleNamespace(address=address, kinds=kinds, regions=regions)


@pytest.fixture
def tab(browser, service):
    """The page; whatever is done with it, it asks its own server alone and has nothing to complain of."""
    with browser.tab(service.address) as tab:
        tab.wait("document.querySelector('#model').options.length === 3")
        yield tab
        assert tab.hosts() == {service.address.removeprefix("http://")}
        assert tab.complaints() == []


@pytest.fixture
def case(head_of, nifti_of, tmp_path):
    """Four sequences of a head on the disk, as NIfTI."""
    paths = []
    for name, voxels in head_of().items():
        paths.append(tmp_path / f"case_{name}.nii")
        paths[-1].write_bytes(nifti_of(voxels))
    return paths


@pytest.fixture
def study(head_of, series_of, zip_of, tmp_path):
    """The same as a zip of DICOM series."""
    head = head_of()
    members = {k: v for t, name in TITLES.items() for k, v in series_of(head[name].T.astype(np.uint16), t).items()}
    path = tmp_path / "study.zip"
    path.write_bytes(zip_of(members))
    return [path]
