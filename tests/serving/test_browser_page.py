"""What else the page does in a real browser: samples, the card, what a model shows of its answer, a narrow window."""

from __future__ import annotations

import json

import httpx
import pytest
from tests.serving.page import ANSWERED, choose_model, needs_browser, open_volume

pytest_plugins = ["tests.serving.page_fixtures"]
pytestmark = needs_browser


@pytest.mark.parametrize(("model", "button"), [("kinds", "pituitary"), ("regions", "volume")])
def test_a_sample_is_answered(tab, model, button):
    choose_model(tab, model)
    names = tab.texts("#samples button")

    tab.click(f"#samples button:nth-of-type({names.index(button) + 1})")
    tab.wait(ANSWERED)

    assert button in tab.text("#name") or "phantom_flair.nii.gz" in tab.text("#name")
    assert tab.text("#answer")


def test_a_model_that_no_sample_fits_offers_none(tab):
    assert tab.is_shown("#samples")
    choose_model(tab, "pairs")
    assert tab.texts("#samples button") == ["volume"]  # its two sequences are among the four
    tab.run("showSamples({ task: 'segmentation', channels: ['t1', 'adc'] })")
    assert not tab.is_shown("#samples")


def test_the_card_of_the_model_is_shown_and_what_it_holds_stays_text(tab, service):
    tab.click("#card summary")
    tab.wait("document.querySelector('#card h3') !== null")

    assert tab.text("#card h3") == "custom_cnn for classification"
    assert "Research use only" in tab.text("#card blockquote")
    assert "Answers: glioma, meningioma, notumor, pituitary" in tab.texts("#card li")
    assert tab.text("#card code") == "0123456789ab"
    headings = ["Intended use", "Training data", "Evaluation data and scores", "Limits", "Ethical considerations"]
    assert tab.texts("#card h4") == headings
    assert tab.texts("#card p")[-1] == "<img src=x onerror=alert(1)>"
    assert tab.run("document.querySelectorAll('#card img').length") == 0
    choose_model(tab, "regions")
    assert tab.texts("#card h3") == []


def answered_by(tab, fragment, status, content):
    """From here on the page's own calls that hold a fragment are answered so, without the server."""
    tab.run(
        "window.asked = window.call; window.call = (path, options) => path.includes("
        f"{json.dumps(fragment)}) ? new Response({json.dumps(json.dumps(content))}, {{ status: {status} }})"
        " : window.asked(path, options); 0"
    )


@pytest.mark.parametrize(
    ("model", "num_channels", "title"), [("kinds", 1, "where it looked"), ("pairs", 2, "how unsure")]
)
def test_what_a_model_shows_of_its_answer_stands_beside_the_slice(
    tab, slice_of, file_of, tmp_path, model, num_channels, title
):
    path = tmp_path / "scan"
    path.write_bytes(file_of(slice_of(num_channels)))
    choose_model(tab, model)
    tab.drop("#drop", [path])
    tab.wait(ANSWERED)

    tab.click("#more-box")
    tab.wait("document.querySelectorAll('canvas').length === 2")

    assert tab.texts("figcaption") == ["slice", title]
    assert tab.is_shown("#more-caveat")
    assert not tab.is_shown("#more-problem")


def test_a_model_that_cannot_show_where_it_looked_says_so_and_the_answer_stays(tab, slice_of, file_of, tmp_path):
    path = tmp_path / "scan.png"
    path.write_bytes(file_of(slice_of(1)))
    tab.drop("#drop", [path])
    tab.wait(ANSWERED)
    detail = "explain=gradcam: vit can be explained by attention only"
    answered_by(tab, "explain=gradcam", 422, {"title": "The image does not fit the model", "detail": detail})

    tab.click("#more-box")
    tab.wait("document.querySelector('#more-problem').checkVisibility()")

    assert tab.text("#more-problem") == f"The image does not fit the model. {detail}"
    assert not tab.run("at('more-box').checked")
    assert tab.text("#answer") in ("glioma", "meningioma", "no tumor", "pituitary")
    assert len(tab.texts("canvas")) == 1


def test_what_the_api_refuses_is_said_in_its_words(tab, service, tmp_path):
    path = tmp_path / "half.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    expected = httpx.post(f"{service.address}/v1/classify", files={"file": ("half.png", path.read_bytes())}).json()

    tab.drop("#drop", [path])
    tab.wait("document.querySelector('#error').checkVisibility()")

    assert tab.texts("#error > *") == [expected["title"], expected["detail"]]
    assert tab.is_shown("#drop")
    (complaint,) = tab.complaints()
    assert "400" in complaint
    tab.events = [event for event in tab.events if event["method"] != "Log.entryAdded"]


def test_on_a_telephone_nothing_reaches_over_the_edge(browser, service, case):
    edge = "Math.max(...[...document.querySelectorAll('body *')].map((one) => one.getBoundingClientRect().right))"
    with browser.tab(service.address, width=390, height=800) as tab:
        tab.wait("at('model').options.length === 3")
        for step in (lambda: None, lambda: open_volume(tab, case), lambda: tab.click("#card summary")):
            step()
            assert tab.run(edge) <= 390
