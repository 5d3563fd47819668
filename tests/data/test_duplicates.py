from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glioray.data.duplicates import (
    SYMMETRIES,
    apply_symmetry,
    copy_views,
    correlations,
    find_copies,
    find_copies_in_views,
    group_ids,
    ranked_thumbnails,
    thumbnails,
)

EIGHT = (
    lambda a: a,
    np.fliplr,
    np.flipud,
    np.rot90,
    lambda a: np.rot90(a, 2),
    lambda a: np.rot90(a, 3),
    np.transpose,
    lambda a: np.rot90(a, 2).T,
)


@pytest.fixture
def heads(draw_head):
    """(6, 64, 64) of which no two are alike."""
    return np.stack([draw_head(i) for i in range(6)])


def pairs_of(*images):
    return find_copies(thumbnails(np.stack(images))).tolist()


def with_gamma(image, gamma):
    return (255 * (image / 255.0) ** gamma).round().astype(np.uint8)


def test_heads_of_different_people_are_no_copies(heads) -> None:
    assert pairs_of(*heads) == []
    assert find_copies_in_views(copy_views(heads)).tolist() == []


@pytest.mark.parametrize("change", EIGHT)
def test_a_mirrored_or_turned_copy_is_a_copy(heads, change) -> None:
    assert pairs_of(heads[0], heads[1], change(heads[0])) == [[0, 2]]


@pytest.mark.parametrize("change", EIGHT)
def test_the_symmetry_of_the_best_correlation_brings_one_onto_the_other(heads, change) -> None:
    changed = change(heads[0])
    (values,) = correlations(thumbnails(np.stack([heads[0], changed])), np.array([[0, 1]]))
    assert values.max() == pytest.approx(1, abs=1e-5)
    assert np.array_equal(apply_symmetry(changed, int(values.argmax())), heads[0])


def test_the_eight_symmetries_are_eight_different_ones(heads) -> None:
    assert len({apply_symmetry(heads[0], symmetry).tobytes() for symmetry in range(len(SYMMETRIES))}) == 8


def test_a_copy_with_other_brightness_and_noise_is_a_copy(heads) -> None:
    noise = np.random.default_rng(0).normal(0, 3, heads[0].shape)
    changed = (heads[0] * 0.6 + 20 + noise).clip(0, 255).astype(np.uint8)
    assert pairs_of(heads[0], changed) == [[0, 1]]


@pytest.mark.parametrize("gamma", [0.4, 2.2])
def test_a_mirrored_copy_with_another_gamma_is_found_in_the_ranked_view_alone(heads, gamma) -> None:
    changed = with_gamma(heads[0], gamma)[:, ::-1]
    assert pairs_of(heads[0], changed) == []
    views = copy_views(np.stack([heads[0], heads[1], changed]))
    assert find_copies_in_views(views).tolist() == [[0, 2]]


def test_the_ranked_view_does_not_depend_on_the_scale_of_the_pixels(heads) -> None:
    as_scanned = heads[:1].astype(np.float32) * 13.7
    assert np.allclose(ranked_thumbnails(heads[:1]), ranked_thumbnails(as_scanned), atol=1e-5)


def test_noise_around_a_head_is_not_stretched_by_the_ranks(heads) -> None:
    noise = np.random.default_rng(0).integers(0, 3, heads[0].shape).astype(np.uint8)
    ranked = ranked_thumbnails(np.stack([heads[0], np.maximum(heads[0], noise)]))
    assert ranked[0] @ ranked[1] > 0.999


def test_a_copy_in_one_view_alone_is_a_copy(heads) -> None:
    """A head in a larger frame: only what was prepared of it is alike."""
    framed = np.pad(heads[0], 32)[::2, ::2]
    views = copy_views(np.stack([heads[0], framed]), np.stack([heads[0], heads[0]]))
    assert find_copies_in_views(views[::2]).tolist() == []
    assert find_copies_in_views(views).tolist() == [[0, 1]]


def test_copies_of_one_owner_are_left_out_and_those_of_nobody_are_not(heads) -> None:
    thumbs = thumbnails(np.stack([heads[0]] * 5))
    owners = np.array([7, 7, 3, -1, -1])
    expected = [[i, j] for i in range(5) for j in range(i + 1, 5) if (i, j) != (0, 1)]
    assert find_copies(thumbs, owners=owners).tolist() == expected


def test_black_pictures_are_no_copies_of_each_other() -> None:
    black = np.zeros((64, 64), np.uint8)
    assert find_copies_in_views(copy_views(np.stack([black, black]))).tolist() == []


def test_copies_of_a_copy_are_one_group() -> None:
    assert group_ids(5, np.array([[0, 1], [1, 3]])) == ["g00000", "g00000", "g00002", "g00000", "g00004"]


def test_no_pairs_make_a_group_of_each() -> None:
    assert group_ids(2, np.empty((0, 2), dtype=np.int64)) == ["g00000", "g00001"]


def test_pairs_across_chunks_are_those_of_a_plain_product(heads, monkeypatch) -> None:
    """The search by low frequencies must lose nothing, whatever the chunks."""
    rng = np.random.default_rng(0)
    noisy = heads[rng.integers(0, 6, 60)] + rng.normal(0, 1, (60, 1, 1)) * rng.normal(0, 9, (60, 64, 64))
    images = np.stack([apply_symmetry(image, int(rng.integers(8))) for image in noisy])
    thumbs = thumbnails(images)
    square = thumbs.reshape(-1, 32, 32)
    turned = [apply_symmetry(square, symmetry).reshape(60, -1) for symmetry in range(8)]
    best = np.max([thumbs @ other.T for other in turned], axis=0)
    monkeypatch.setattr("glioray.data.duplicates.CHUNK", 7)
    expected = np.argwhere(np.triu(best >= 0.995, 1))
    assert 0 < len(expected) < np.triu(best >= 0.9, 1).sum()
    assert find_copies(thumbs).tolist() == expected.tolist()


def test_too_many_pairs_are_thinned_to_those_that_make_the_groups(heads, monkeypatch) -> None:
    thumbs = thumbnails(np.stack([heads[0]] * 20 + [heads[1]] * 20))
    everything = find_copies(thumbs)
    monkeypatch.setattr("glioray.data.duplicates.MOST_PAIRS", 50)
    thinned = find_copies(thumbs)
    assert (len(everything), len(thinned)) == (380, 38)
    assert group_ids(40, thinned) == group_ids(40, everything)


def test_progress_over_all_views_ends_at_its_total(heads) -> None:
    told = []
    find_copies_in_views(copy_views(heads, heads), lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_thumbnails_are_unit_vectors_of_mean_zero(heads) -> None:
    thumbs = thumbnails(heads)
    assert thumbs.shape == (6, 1024)
    assert np.allclose((thumbs**2).sum(axis=1), 1, atol=1e-5)
    assert np.allclose(thumbs.mean(axis=1), 0, atol=1e-6)


def merged(count, pairs):
    """The sets of what is joined, by merging sets until none share a member."""
    sets = [{number} for number in range(count)]
    for one, other in pairs:
        touched = [group for group in sets if one in group or other in group]
        sets = [group for group in sets if group not in touched] + [set().union(*touched)]
    return {frozenset(group) for group in sets}


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=15), st.data())
def test_groups_are_what_copies_join_in_whatever_order_they_are_found(pairs, data) -> None:
    found = data.draw(st.permutations(pairs))
    turned = [pair[::-1] if data.draw(st.booleans()) else pair for pair in found]

    groups, others = (group_ids(12, np.array(one, np.int64).reshape(-1, 2)) for one in (pairs, turned))

    assert groups == others
    assert {frozenset(i for i in range(12) if groups[i] == name) for name in groups} == merged(12, pairs)
    assert all(groups[int(name[1:])] == name for name in groups)


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=15), st.permutations(range(12)))
def test_the_order_of_the_images_does_not_change_who_is_together(pairs, order) -> None:
    moved = [(order.index(one), order.index(other)) for one, other in pairs]

    groups, others = (group_ids(12, np.array(one, np.int64).reshape(-1, 2)) for one in (pairs, moved))

    together = {frozenset(order[i] for i in range(12) if others[i] == name) for name in others}
    assert together == {frozenset(i for i in range(12) if groups[i] == name) for name in groups}
