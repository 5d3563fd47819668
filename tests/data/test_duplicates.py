from __future__ import annotations

import numpy as np
import pytest

from glioray.data.duplicates import find_copies, group_ids, thumbnails


@pytest.fixture
def heads(draw_head):
    """(6, 64, 64) of which no two are alike."""
    return np.stack([draw_head(i) for i in range(6)])


def pairs_of(*images):
    return find_copies(thumbnails(np.stack(images))).tolist()


def test_heads_of_different_people_are_no_copies(heads) -> None:
    assert pairs_of(*heads) == []


@pytest.mark.parametrize("mirror", [lambda a: a, np.fliplr, np.flipud, lambda a: a[::-1, ::-1]])
def test_a_mirrored_copy_is_a_copy(heads, mirror) -> None:
    assert pairs_of(heads[0], heads[1], mirror(heads[0])) == [[0, 2]]


def test_a_copy_with_other_brightness_and_noise_is_a_copy(heads) -> None:
    noise = np.random.default_rng(0).normal(0, 3, heads[0].shape)
    changed = (heads[0] * 0.6 + 20 + noise).clip(0, 255).astype(np.uint8)
    assert pairs_of(heads[0], changed) == [[0, 1]]


def test_black_pictures_are_no_copies_of_each_other() -> None:
    black = np.zeros((64, 64), np.uint8)
    assert pairs_of(black, black) == []


def test_copies_of_a_copy_are_one_group() -> None:
    assert group_ids(5, np.array([[0, 1], [1, 3]])) == ["g00000", "g00000", "g00002", "g00000", "g00004"]


def test_no_pairs_make_a_group_of_each() -> None:
    assert group_ids(2, np.empty((0, 2), dtype=np.int64)) == ["g00000", "g00001"]


def test_pairs_across_chunks_are_those_of_a_plain_product(heads, monkeypatch) -> None:
    rng = np.random.default_rng(0)
    images = heads[rng.integers(0, 6, 40)]
    images = np.stack([image[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])] for image in images])
    thumbs = thumbnails(images)
    square = thumbs.reshape(-1, 32, 32)
    mirrors = [square, square[:, ::-1], square[:, :, ::-1], square[:, ::-1, ::-1]]
    best = np.max([thumbs @ mirror.reshape(40, -1).T for mirror in mirrors], axis=0)
    monkeypatch.setattr("glioray.data.duplicates.CHUNK", 7)
    assert find_copies(thumbs).tolist() == np.argwhere(np.triu(best >= 0.995, 1)).tolist()


def test_thumbnails_are_unit_vectors_of_mean_zero(heads) -> None:
    thumbs = thumbnails(heads)
    assert thumbs.shape == (6, 1024)
    assert np.allclose((thumbs**2).sum(axis=1), 1, atol=1e-5)
    assert np.allclose(thumbs.mean(axis=1), 0, atol=1e-6)
