from __future__ import annotations

import re

import pytest
from tests.evaluation.conftest import evaluation_of

from glioray.evaluation.figures import confusion_figure
from glioray.evaluation.findings import Findings, Picture, Section, Table
from glioray.evaluation.report import write_report
from glioray.evaluation.result import Evaluation
from glioray.evaluation.scoring import Scores
from glioray.registry.bundle import Score

SCORE = Score(name="accuracy", value=0.5, low=0.25, high=0.75, split="test", units=9, unit="groups", seed=0)


def evaluation(**changes: object) -> Evaluation:
    classes = {"task": "classification", "model": "custom_cnn", "outputs": ("glioma", "notumor"), "unit": "groups"}
    own = {"trained_on_fingerprint": "aaa", "interval": "95 % percentile bootstrap", "scores": (SCORE,)}
    return evaluation_of(**classes | own | changes)


@pytest.fixture
def page(tmp_path):
    def write(found: Evaluation, *sections: Section) -> str:
        write_report(found, Findings(Scores((), ()), {}, sections), tmp_path)
        return (tmp_path / "report.html").read_text(encoding="utf-8")

    return write


def test_a_page_says_first_that_it_is_no_medical_device(page):
    text = page(evaluation())

    assert "Research use only. Not a medical device" in text
    assert text.index("Not a medical device") < text.index("<h1>")


def test_a_headline_stands_with_its_interval_split_and_units(page):
    text = " ".join(page(evaluation()).split())

    assert "<b>0.500</b> <span>95 % interval 0.250 to 0.750" in text
    assert "test, split by group (seed 0) · 9 groups, 18 images" in text


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"leak": "leaky: 3 of 9 test images have a copy in training"}, "leaky: 3 of 9"),
        ({"synthetic": True}, "SYNTHETIC"),
        ({"trained_on_fingerprint": "bbb"}, "Other data than the model was trained from"),
        ({"side": "train"}, "learned from these images"),
        ({"side": "val"}, "was chosen by its score on these images"),
    ],
)
def test_what_takes_from_the_figures_is_a_warning(page, changes, warning):
    warned = re.findall(r'class="notice warning">(.*?)</p>', page(evaluation(**changes)), flags=re.DOTALL)

    assert len(warned) == 1
    assert warning in warned[0]


def test_an_honest_figure_has_no_warning(page):
    assert "notice warning" not in page(evaluation())


def test_a_page_needs_no_network_and_runs_no_script(page):
    picture = Picture(confusion_figure([[1, 0], [0, 1]], ["a", "b"]), "caption")

    text = page(evaluation(), Section("Pictures", pictures=(picture,)))

    assert re.findall(r'src="([^"]{22})', text) == ["data:image/png;base64,"]
    assert not re.search(r"<script|<link|@import|url\(|https?://", text)


def test_names_from_the_data_cannot_become_markup(page):
    name = "<script>alert(1)</script>"

    text = page(evaluation(outputs=(name,), citation=name), Section("T", table=Table((name,), ((name,),))))

    assert "<script>" not in text
    assert text.count("&lt;script&gt;") == 4


def test_intervals_of_few_are_said_to_be_too_narrow(page):
    assert "Of fewer than 20 groups they are too narrow" in page(evaluation(units=19))
    assert "too narrow" not in page(evaluation(units=20))


@pytest.mark.parametrize(("units", "why"), [(1, "one group"), (9, "all groups alike")])
def test_one_group_and_groups_that_are_alike_have_no_interval(page, units, why):
    score = SCORE.model_copy(update={"low": None, "high": None, "units": units})

    assert f"no interval: {why}" in page(evaluation(scores=(score,)))
