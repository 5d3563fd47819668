from __future__ import annotations

from dataclasses import replace

from glioray.data.page.choice import largest_clusters


def test_clusters_come_with_the_largest_first_and_no_single_image(make_table) -> None:
    table = replace(make_table([None] * 6, labels=[0] * 6), group=("a", "b", "b", "c", "c", "c"))
    sheets = largest_clusters(table)
    assert [sheet.title for sheet in sheets] == ["c: 3 images, in train", "b: 2 images, in train"]
    assert [each.row for each in sheets[0].shown] == [3, 4, 5]


def test_of_a_large_cluster_a_few_are_shown(make_table) -> None:
    table = replace(make_table([None] * 90, labels=[0] * 90), group=("a",) * 90)
    (sheet,) = largest_clusters(table)
    assert [each.row for each in sheet.shown] == list(range(4, 90, 9))


def test_a_group_that_a_published_split_tears_apart_is_shown_whole(make_table) -> None:
    table = replace(
        make_table([None] * 3, labels=[0] * 3, parts=["train", "test", "test"]), group=("a@train", "a@test", "b@test")
    )
    (sheet,) = largest_clusters(table, lambda name: name.partition("@")[0])
    assert sheet.title == "a: 2 images, in train, test"
