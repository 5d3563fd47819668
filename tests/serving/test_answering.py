from __future__ import annotations

from glioray.serving.answering import Reply, Wish, answer_all
from glioray.serving.problems import Problem
from glioray.serving.upload import Upload


def test_a_file_that_cannot_be_read_hinders_no_other_of_its_batch(classifier, slice_of, file_of):
    good = [Upload(file_of(slice_of(1, seed=seed)), f"{seed}.png") for seed in range(2)]
    bad = Upload(b"text", "bad.png")

    first, refused, last = answer_all(classifier, [good[0], bad, good[1]], [Wish()] * 3)

    assert isinstance(refused, Problem)
    assert refused.status == 400
    assert "bad.png" in refused.detail
    assert first == answer_all(classifier, [good[0]], [Wish()])[0]
    assert isinstance(last, Reply)
    assert last != first


def test_a_batch_with_nothing_to_read_is_answered_without_the_network(classifier):
    answers = answer_all(classifier, [Upload(b"text", "a"), Upload(b"", "b")], [Wish(), Wish()])

    assert [answer.status for answer in answers] == [400, 400]


def test_pictures_are_made_only_where_wished_for(segmenter, slice_of, file_of):
    upload = Upload(file_of(slice_of(2)), "a.npy")

    plain, picture, overlay = answer_all(segmenter, [upload] * 3, [Wish(), Wish(picture=True), Wish(overlay=True)])

    assert (plain.picture, plain.overlay) == (None, None)
    assert picture.picture
    assert not picture.overlay
    assert overlay.overlay
    assert not overlay.picture
