from __future__ import annotations

import numpy as np
import pytest

from glioray.errors import DataError, LeakError, ModelError
from glioray.evaluation.comparing.sides import same_rows


def test_folds_in_another_order_are_put_in_one(make_segmentation, masks, run, named):
    data = make_segmentation({"A": masks[:2], "B": masks[2:]}, folds=3).folder
    models = named(*(",".join(run(data, seed, fold) for fold in range(3)) for seed in (0, 1)))
    turned = [models[0], type(models[1])(models[1].name, models[1].entries[::-1], models[1].data)]

    first, second = same_rows(turned, "test")

    assert second.order != first.order == tuple(range(12))
    assert [second.pool.rows[place] for place in second.order] == list(first.pool.rows)


def test_other_test_sides_of_the_same_scans_are_refused(make_classification, run, named):
    one, other = make_classification([0, 1, 2]).folder, make_classification([0, 1], name="fewer").folder

    with pytest.raises(DataError, match=r"test sides are not the same rows: 3 of .* and 2 of .*, 2 in both.*--data"):
        same_rows(named(run(one, 1), run(other, 2)), "test")


def test_two_folds_are_told_how_to_be_joined(make_segmentation, masks, run, named):
    data = make_segmentation({"A": masks}, folds=3).folder

    with pytest.raises(DataError, match="of folds 0 and 1: join all folds of a recipe by commas, RUN1,RUN2"):
        same_rows(named(run(data, 1, fold=0), run(data, 2, fold=1)), "test")


def test_other_raw_data_are_refused(make_classification, run, named):
    one, other = make_classification([0, 1, 2]).folder, make_classification([0, 1, 2], name="other").folder
    change_source(other)

    with pytest.raises(DataError, match=r"were trained on different data, .*data and .*other: give one"):
        same_rows(named(run(one, 1), run(other, 2)), "test")


def test_masks_of_two_sizes_are_refused_and_classes_are_not(make_segmentation, make_classification, run, named):
    volumes = [
        make_segmentation({"A": [np.ones((size, size), dtype=np.uint8)]}, name=f"volumes{size}").folder
        for size in (16, 32)
    ]
    slices = [make_classification([0, 1, 2], name=f"slices{size}", size_px=size).folder for size in (16, 32)]

    with pytest.raises(DataError, match=r"prepared in different ways \(16 px and 32 px\)"):
        same_rows(named(run(volumes[0], 1), run(volumes[1], 2)), "test")
    assert [rows.order for rows in same_rows(named(run(slices[0], 3), run(slices[1], 4)), "test")] == [(0, 1, 2)] * 2


def test_a_model_that_learned_from_the_side_is_refused_by_name(make_classification, run, named):
    data = make_classification([0, 1, 2]).folder
    leaky = run(data, 2, data_fingerprint="another", learned_from=("hash of test/1.png",))

    with pytest.raises(LeakError, match=r"run-2 was trained on 1 of the 3 scans"):
        same_rows(named(run(data, 1), leaky), "test")


def test_data_of_another_kind_are_refused_by_name(make_classification, make_segmentation, masks, run, named):
    volumes = make_segmentation({"A": masks}, name="volumes").folder
    data = make_classification([0, 1, 2]).folder

    with pytest.raises(ModelError, match="run-1 on .*volumes: task of the data is 'segmentation'"):
        same_rows(named(run(data, 1), run(data, 2), data=str(volumes)), "test")


def change_source(folder) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"source_hash": "0"', '"source_hash": "1"'))
