"""`glioray explain` from the command line to the page."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser

import nibabel
import numpy as np
import pytest
from PIL import Image

from glioray.registry.bundle import ModelBundle


class _Page(HTMLParser):
    """The pictures of a page, and its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        if tag == "img":
            self.sources.append(dict(attrs)["src"])

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_a_classifier_is_shown_with_every_class_and_the_truth(command, cnn, picture, tmp_path):
    cnn.save(tmp_path / "run" / "bundle")

    facts = json.loads(command("explain", "run", picture, "--truth", "glioma", "--json")[0])

    image, kernels = facts["sections"]
    assert image["truth"] == "glioma"
    assert "nothing proves that the model has not learned from it" in image["about"]
    assert image["is_right"] == (image["answer"] == "glioma")
    assert set(image["gradcam_peaks"]) == set(cnn.config.contents.classes)
    assert sum(image["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert kernels["kernels"]["shape"] == [96, 1, 9, 9]
    folder = tmp_path / "run" / "explanation"
    assert {path.name for path in (folder / "pictures").iterdir()} == {
        "01-answer.png", "01-gradcam.png", "01-features.png", "kernels.png",
    }  # fmt: skip
    for path in (folder / "pictures").iterdir():
        Image.open(path).verify()


def test_the_page_is_one_file_with_the_notices(command, cnn, picture, tmp_path):
    cnn.save(tmp_path / "bundle")
    command("explain", "bundle", picture, "--out", "out")

    page = _Page((tmp_path / "out" / "explain.html").read_text())

    assert len(page.sources) == 4
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    text = " ".join(page.words)
    assert "SYNTHETIC" in text
    assert "Not a medical device" in text
    assert not re.search(r"https?://", " ".join(page.sources))


def test_a_vit_is_shown_with_its_attention(command, bundle_of, slices, picture, tmp_path):
    bundle_of(slices, {"name": "vit", "dim": 16, "depth": 2, "heads": 2, "mlp": 16}).save(tmp_path / "vit")

    facts = json.loads(command("explain", "vit", picture, "--out", "out", "--json")[0])

    assert "01-attention.png" in facts["sections"][0]["pictures"]


def test_the_folder_of_a_case_is_walked_through_and_scored(command, unet, case, tmp_path):
    unet.save(tmp_path / "unet")

    facts = json.loads(command("explain", "unet", case, "--out", "out", "--json")[0])

    found = facts["sections"][0]
    assert set(found["dice"]) == {"necrotic", "edema", "enhancing", "WT", "TC", "ET"}
    assert list(found["gates"]) == ["8 px", "16 px"]
    with Image.open(tmp_path / "out" / "pictures" / "01-walk.gif") as walk:
        assert walk.n_frames == 8
    truth = np.asarray(nibabel.load(next(case.glob("*seg*"))).dataobj)
    assert found["slice"] == np.count_nonzero(truth, axis=(0, 1)).argmax()


def test_rows_of_a_side_name_their_split(command, unet, volumes, tmp_path):
    unet.save(tmp_path / "unet")

    words = command("explain", "unet", "--data", volumes.folder, "--rows", 1, "--side", "test", "--out", "out")[0]

    assert "test, split by group (seed 0)" in words
    assert "Dice" in words
    assert "one case, seed 0" in words.replace("  ", " ")


def test_rows_of_data_at_an_address_are_fetched(command, unet, place, tmp_path):
    recipe = unet.config.recipe | {"data": unet.config.recipe["data"] | {"path": place}}
    dataclasses.replace(unet, config=unet.config.model_copy(update={"recipe": recipe})).save(tmp_path / "unet")

    facts = json.loads(command("explain", "unet", "--rows", 1, "--out", "out", "--json")[0])

    assert "split by group (seed 0)" in facts["sections"][0]["about"]


def test_rows_that_the_model_learned_from_say_so(command, cnn, slices, tmp_path):
    cnn.save(tmp_path / "cnn")

    facts = json.loads(command("explain", "cnn", "--side", "train", "--rows", 2, "--out", "out", "--json")[0])

    assert len(facts["sections"]) == 3
    assert "leaky: the model learned from scans of this side" in facts["sections"][0]["about"]
    assert "leaky" in (tmp_path / "out" / "explain.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "RequestError: nothing to look at: give an IMAGE, or --rows N of the data, or --epochs of a run"),
        (("--rows", 13), "RequestError: 13 images are asked for; at most 12 fit on one page"),
        (("nothing.png",), "UnreadableError: nothing.png: No such file or directory"),
        (("page.txt",), "UnreadableError: page.txt: is text, not an image; give PNG"),
        (("CASE",), "is a volume, and custom_cnn answers for one image; give a slice of it"),
        (("PICTURE", "--truth", "gliom"), "DataError: --truth 'gliom': no class of the model; did you mean 'glioma'?"),
        (("PICTURE", "PICTURE", "--truth", "glioma"), "RequestError: --truth is given 1 times for 2 images"),
        (("PICTURE", "--device", "tpu"), "RecipeError: --device 'tpu': not a device"),
        (("PICTURE", "--epochs"), "BundleError: --epochs looks at the checkpoints in a run's folder"),
        (("PICTURE", "--out", "full"), "DataError: full: holds 'thesis.txt', which is no part of"),
    ],
)
def test_what_cannot_be_looked_at_is_one_line(command, cnn, picture, case, tmp_path, arguments, line):
    cnn.save(tmp_path / "cnn")
    (tmp_path / "page.txt").write_text("no picture\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    places = {"CASE": case, "PICTURE": picture}

    error = command("explain", "cnn", *(places.get(argument, argument) for argument in arguments))[1]

    assert line in error
    assert len(error.strip().splitlines()) == 1
    assert (tmp_path / "full" / "thesis.txt").exists()
    assert not (tmp_path / "explanation").exists()


def test_a_slice_of_other_channels_is_named(command, unet, picture, tmp_path):
    unet.save(tmp_path / "unet")

    error = command("explain", "unet", picture)[1]

    assert f"ModelError: {picture}: the model takes 4 channels (t1, t1ce, t2, flair), the image has 1 channels" in error


def test_what_was_there_is_as_it_was_after_an_error(command, cnn, picture, tmp_path):
    cnn.save(tmp_path / "cnn")
    command("explain", "cnn", picture, "--out", "out")
    before = (tmp_path / "out" / "explain.html").read_bytes()

    command("explain", "cnn", picture, "nothing.png", "--out", "out")

    assert (tmp_path / "out" / "explain.html").read_bytes() == before
    assert ModelBundle.load(tmp_path / "cnn").config == cnn.config
