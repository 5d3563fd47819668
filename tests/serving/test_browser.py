"""Scans that are dropped on the page in a real browser: what is shown is what the API says."""

from __future__ import annotations

import asyncio

import httpx
import nibabel
import numpy as np
import pytest
from tests.serving.page import ANSWERED, choose_model, needs_browser, open_volume, words

pytest_plugins = ["tests.serving.page_fixtures"]
pytestmark = needs_browser
PICTURE = "document.querySelector('canvas').toDataURL()"
PLACE = "document.querySelector('#place').textContent"


def api_answer(service, paths, accept="application/json"):
    """What the API says without a browser."""
    names = ["file"] if len(paths) == 1 else [path.stem.removeprefix("case_") for path in paths]
    files = {name: (path.name, path.read_bytes()) for name, path in zip(names, paths, strict=True)}
    answer = httpx.post(f"{service.address}/v1/segment?model=regions", files=files, headers={"accept": accept})
    assert answer.status_code == 200, answer.text
    return answer


def amounts_shown(tab):
    return dict(zip(tab.texts("#rows .row > :first-child"), tab.texts("#rows .amount"), strict=True))


def amounts_of(answer, model):
    """The amounts of the API in the words of the page."""
    regions = {f"{name}, {' + '.join(model.info.regions[name])}": one for name, one in answer["regions"].items()}
    amounts = {name: one["volume_ml"] for name, one in (answer["labels"] | regions).items()}
    return {name: f"{ml:.{2 if ml < 10 else 1}f} ml" for name, ml in amounts.items()}


def painted(tab, color):
    """Pixels of the first picture in a color, with the labels drawn opaque."""
    rgb = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return tab.run(
        "(() => { at('alpha').value = 100; at('alpha').dispatchEvent(new Event('input'));"
        " const canvas = document.querySelector('canvas');"
        " const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);"
        f" let count = 0; const [red, green, blue] = {rgb};"
        " for (let i = 0; i < data.length; i += 4)"
        " if (data[i] === red && data[i + 1] === green && data[i + 2] === blue) count++;"
        " return count; })()"
    )


def test_a_slice_that_is_dropped_is_classified_as_the_api_does(tab, service, slice_of, file_of, tmp_path):
    path = tmp_path / "scan.png"
    path.write_bytes(file_of(slice_of(1)))

    tab.drop("#drop", [path])
    tab.wait(ANSWERED)

    expected = httpx.post(f"{service.address}/v1/classify", content=path.read_bytes()).json()
    shares = sorted(expected["probabilities"].items(), key=lambda one: -one[1])
    shown = amounts_shown(tab)
    assert tab.text("#answer") == words(expected["label"]) == words(shares[0][0])
    assert list(shown) == [words(name) for name, _ in shares]
    for (name, share), width in zip(
        shares, tab.run("[...document.querySelectorAll('.fill')].map((one) => one.style.width)"), strict=True
    ):
        assert float(shown[words(name)].removesuffix(" %")) == pytest.approx(100 * share, abs=0.051)
        assert float(width.removesuffix("%")) == pytest.approx(100 * share, abs=0.01)
    assert tab.run("document.querySelector('canvas').width") == 48
    assert "Research use only" in tab.text("#caveat")


@pytest.fixture
def allowed(service, monkeypatch):
    """`append` to it lets the work on a volume go one step further."""
    steps, segment_volume = [], service.regions.segment_volume

    async def held(sent):
        taken = 0
        async for step in segment_volume(sent):
            yield step
            taken += 1
            while len(steps) < taken:
                await asyncio.sleep(0.005)

    monkeypatch.setattr(service.regions, "segment_volume", held)
    yield steps
    steps += [None] * 100


def test_a_volume_shows_how_far_it_is_and_then_the_amounts_of_the_api(tab, service, case, allowed):
    choose_model(tab, "regions")
    tab.drop("#drop", case)
    for done in (0, 2, 4):
        tab.wait(f"at('name').textContent === '{done} of 6 slices' && at('progress').value === {done}")
        allowed.append("another batch")
    assert not tab.is_shown("#result")
    allowed += ["the rest"] * 100
    tab.wait(ANSWERED)

    answer = api_answer(service, case).json()
    assert not tab.is_shown("#progress")
    assert amounts_shown(tab) == amounts_of(answer, service.regions)
    assert tab.run(PLACE) == f"{answer['fullest_slice'] + 1} of 6"


def test_slices_are_turned_by_the_arrow_keys_and_by_the_slider(tab, case):
    open_volume(tab, case)
    first, start = tab.run(PICTURE), tab.run("state.slice")
    step, back = ("ArrowLeft", "ArrowRight") if start else ("ArrowRight", "ArrowLeft")
    there = f"{start if start else 2} of 6"

    tab.press(step)
    tab.wait(f"{PLACE} === '{there}'")
    assert tab.run(PICTURE) != first
    tab.press(back)
    tab.wait(f"{PLACE} === '{start + 1} of 6'")
    assert tab.run(PICTURE) == first
    tab.run("at('slice').focus()")
    tab.press(step)
    tab.wait(f"{PLACE} === '{there}'")
    tab.click("#slice")  # in its middle
    tab.wait(f"['3 of 6', '4 of 6'].includes({PLACE})")


def test_a_label_that_is_switched_off_leaves_the_picture_and_the_others_stay(tab, service, case):
    open_volume(tab, case)
    pixels = api_answer(service, case).json()["slices"][tab.run("state.slice")]["pixels"]
    colors = service.regions.info.colors
    assert {name: painted(tab, color) for name, color in colors.items()} == pixels
    assert pixels["edema"] > 0

    tab.click("#rows li:nth-child(2) input")

    assert {name: painted(tab, color) for name, color in colors.items()} == pixels | {"edema": 0}


@pytest.mark.parametrize("kind", ["case", "study"])
def test_the_mask_that_is_saved_is_that_of_the_api(tab, service, request, tmp_path, kind):
    paths = request.getfixturevalue(kind)
    (tmp_path / "saved").mkdir()
    tab.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "saved"))

    open_volume(tab, paths)
    tab.click("#mask")

    content = tab.saved(tmp_path / "saved" / "mask.nii.gz")
    expected = tmp_path / "expected.nii.gz"
    expected.write_bytes(api_answer(service, paths, "application/gzip").content)
    saved, wanted = nibabel.load(content), nibabel.load(expected)
    np.testing.assert_array_equal(np.asarray(saved.dataobj), np.asarray(wanted.dataobj))
    np.testing.assert_array_equal(saved.affine, wanted.affine)
    assert np.asarray(saved.dataobj).any()
    assert amounts_shown(tab) == amounts_of(api_answer(service, paths).json(), service.regions)


def test_files_that_are_chosen_are_taken_as_those_that_are_dropped(tab, service, case):
    choose_model(tab, "regions")

    tab.choose("#file", case)
    tab.wait(ANSWERED)

    assert amounts_shown(tab) == amounts_of(api_answer(service, case).json(), service.regions)


def test_every_sequence_stands_beside_the_others_also_of_dicom(tab, study):
    open_volume(tab, study)

    tab.click("#more-box")
    tab.wait("document.querySelectorAll('canvas').length === 4")

    assert tab.texts("figcaption") == ["t1", "t1ce", "t2", "flair"]
    assert tab.run("new Set([...document.querySelectorAll('canvas')].map((one) => one.toDataURL())).size") == 4
    tab.press("ArrowLeft" if tab.run("state.slice") else "ArrowRight")
    tab.wait("state.views.length === 4 && state.slice + 1 === parseInt(at('place').textContent)")
    tab.click("#more-box")
    tab.wait("document.querySelectorAll('canvas').length === 1")
