"""The synthetic scans that the page offers."""

from __future__ import annotations

import gzip
import io

import nibabel
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from glioray.data.phantom.tumor import Kind
from glioray.serving import samples
from glioray.serving.api import create_api
from glioray.serving.make_samples import write_samples


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(create_api([], 1000))


def opened(name, content):
    """Pixels or voxels, and where they lie."""
    if name.endswith(".png"):
        return np.asarray(Image.open(io.BytesIO(content))).astype(int), None
    image = nibabel.Nifti1Image.from_bytes(gzip.decompress(content))
    return np.asarray(image.dataobj).astype(int), image.affine


def test_what_is_shipped_is_what_the_command_makes(tmp_path):
    write_samples(tmp_path)

    shipped = {path.name: path.read_bytes() for path in samples.FOLDER.iterdir()}
    assert set(shipped) == {path.name for path in tmp_path.iterdir()}
    for name, content in shipped.items():
        pixels, affine = opened(name, content)
        again, affine_again = opened(name, (tmp_path / name).read_bytes())
        assert np.array_equal(affine, affine_again)
        # Another processor adds in another order, and what is cut to a whole number may then differ by one.
        np.testing.assert_allclose(pixels, again, rtol=0, atol=1)


def test_samples_are_small():
    sizes = [len(path.read_bytes()) for path in samples.FOLDER.iterdir()]

    assert max(sizes) < 100_000
    assert sum(sizes) < 300_000


def test_every_file_that_is_offered_is_there_and_no_other(client):
    offered = client.get("/samples").json()

    addresses = [address for sample in offered for address in sample["files"].values()]
    assert {sample["title"] for sample in offered} == {*Kind, "volume"}
    assert len(addresses) == len(list(samples.FOLDER.iterdir()))
    for address in addresses:
        answer = client.get(address)
        assert answer.content == samples.FOLDER.joinpath(address.rsplit("/", 1)[1]).read_bytes()
        assert answer.headers["content-type"] == ("image/png" if address.endswith("png") else "application/gzip")


@pytest.mark.parametrize("name", ["nothing.png", "..%2Findex.html", "%2e%2e%2f%2e%2e%2fapi.py"])
def test_nothing_else_lies_there(client, name):
    assert client.get(f"/samples/{name}").status_code == 404
