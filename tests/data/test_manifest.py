from __future__ import annotations

import json

import numpy as np
import pytest

from glioray.data.manifest import (
    FILE_NAME,
    SCHEMA_VERSION,
    Facts,
    Leak,
    Manifest,
    Moments,
    PartCounts,
    Range,
    Settings,
    Shard,
)
from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Contents
from glioray.errors import DataError, SchemaError

ONE = Range.of([1])


def moments_of(pixels):
    """Of (C, pixels)."""
    return Moments(
        pixels=pixels.shape[1], sums=pixels.sum(axis=1).tolist(), squares=(pixels.astype(int) ** 2).sum(axis=1).tolist()
    )


def make(parts, folds=None):
    """Of {part: (C, pixels)}; part number i has i + 1 rows."""
    counts = {
        part: PartCounts(rows=i + 1, groups=1, patients=1, rows_by_output={"tumor": i}, label_pixels={"tumor": 10 * i})
        for i, part in enumerate(parts)
    }
    return Manifest(
        schema_version=SCHEMA_VERSION,
        glioray_version="0",
        settings=Settings(
            source="toy",
            source_hash="0",
            preprocessing=Preprocessing(image_size=32, crop_head=False, intensity="as_is"),
            split="group",
            folds=folds,
            seed=0,
            val_fraction=0.2,
            test_fraction=0.2,
        ),
        contents=Contents(task="segmentation", channels=("t1", "t2"), labels={"tumor": 1}, citation="toy"),
        counts=counts,
        moments={part: moments_of(pixels) for part, pixels in parts.items()},
        facts=Facts(cases=1, height_px=ONE, width_px=ONE, slices=ONE, shares={}),
        duplicates=None,
        leak=None,
        refused=(),
        shards=tuple(Shard(path=f"split={part}/x", side=part, rows=1, sha256=part) for part in parts),
    )


@pytest.fixture
def pixels():
    generator = np.random.default_rng(0)
    return [generator.integers(low, low + 100, (2, 50)) for low in (0, 30, 60, 90)]


@pytest.fixture
def sided(pixels):
    return make(dict(zip(("train", "val", "test"), pixels, strict=False)))


@pytest.fixture
def folded(pixels):
    return make({f"fold-{i}": values for i, values in enumerate(pixels)}, folds=4)


def test_a_range_is_of_all_values() -> None:
    assert Range.of([3, 1, 10]) == Range(least=1, median=3, most=10)
    assert Range.of(iter([1 / 3])).least == 0.333333


def test_normalization_is_over_the_pixels_of_train(sided, pixels) -> None:
    assert sided.normalization.mean == pytest.approx(pixels[0].mean(axis=1), abs=1e-4)
    assert sided.normalization.std == pytest.approx(pixels[0].std(axis=1), abs=1e-4)


def test_pixels_of_one_value_are_not_divided_by_zero() -> None:
    manifest = make(dict.fromkeys(("train", "val", "test"), np.full((2, 9), 7)))
    assert manifest.normalization.std == (1.0, 1.0)


def test_the_sides_are_parts_in_their_order(sided) -> None:
    assert sided.parts == tuple(sided.sides) == ("train", "val", "test")
    assert [counts.rows for counts in sided.sides.values()] == [1, 2, 3]


def test_folds_that_are_asked_for_sides_say_how_to_choose_one(folded) -> None:
    assert folded.parts == ("fold-0", "fold-1", "fold-2", "fold-3")
    with pytest.raises(DataError, match=r"4 folds: choose the one to test on with data\.fold, from 0 to 3"):
        _ = folded.sides


def test_normalization_of_open_folds_is_over_all_of_them(folded, pixels) -> None:
    assert folded.normalization.mean == pytest.approx(np.concatenate(pixels, axis=1).mean(axis=1), abs=1e-4)


def test_the_view_of_a_fold_adds_up_its_parts(folded, pixels) -> None:
    view = folded.of_fold(3)
    assert view.parts == ("train", "val", "test")
    assert {side: counts.rows for side, counts in view.sides.items()} == {"train": 2 + 3, "val": 1, "test": 4}
    assert view.sides["train"].label_pixels == {"tumor": 30}
    assert view.sides["train"].rows_by_output == {"tumor": 3}
    train = np.concatenate(pixels[1:3], axis=1)
    assert view.normalization.mean == pytest.approx(train.mean(axis=1), abs=1e-4)
    assert view.normalization.std == pytest.approx(train.std(axis=1), abs=1e-4)


def test_the_shards_of_a_view_stay_where_they_are(folded) -> None:
    found = {shard.path: shard.side for shard in folded.of_fold(0).shards}
    assert found == {
        "split=fold-0/x": "test",
        "split=fold-1/x": "val",
        "split=fold-2/x": "train",
        "split=fold-3/x": "train",
    }


def test_what_no_fold_may_score_on_is_in_train_of_every_view(pixels) -> None:
    parts = ("fold-0", "fold-1", "fold-2", "train")
    folded = make(dict(zip(parts, pixels, strict=True)), folds=3)
    assert folded.parts == parts
    assert [folded.of_fold(fold).sides["train"].rows for fold in range(3)] == [3 + 4, 1 + 4, 2 + 4]


def test_every_fold_and_all_of_them_have_their_own_fingerprint(folded) -> None:
    fingerprints = [folded.fingerprint, *(folded.of_fold(fold).fingerprint for fold in range(4))]
    assert len(set(fingerprints)) == 5
    assert all(len(text) == 12 for text in fingerprints)
    assert folded.of_fold(2).fingerprint == fingerprints[3]


@pytest.mark.parametrize("fold", [-1, 4])
def test_a_fold_that_is_not_there_is_refused_with_those_that_are(folded, fold) -> None:
    with pytest.raises(DataError, match=f"fold {fold} is asked for; these data have folds 0 to 3"):
        folded.of_fold(fold)


def test_a_fold_of_data_without_folds_says_how_to_prepare_them(sided) -> None:
    with pytest.raises(DataError, match="these data have no folds; prepare them with --folds K"):
        sided.of_fold(0)


def test_a_manifest_comes_back_from_its_file_as_it_was(folded, tmp_path) -> None:
    for manifest in (folded, folded.of_fold(1)):
        manifest.save(tmp_path)
        assert Manifest.load(tmp_path) == manifest
        assert Manifest.load(tmp_path).fingerprint == manifest.fingerprint


@pytest.mark.parametrize("version", [1, 99])
def test_shards_of_another_schema_version_are_refused(sided, tmp_path, version) -> None:
    content = json.loads(sided.model_dump_json()) | {"schema_version": version}
    (tmp_path / FILE_NAME).write_text(json.dumps(content))
    expected = rf"version {version}; this glioray reads version 2\. .*repare them again"
    with pytest.raises(SchemaError, match=expected) as raised:
        Manifest.load(tmp_path)
    assert "\n" not in str(raised.value)


def test_a_folder_of_raw_scans_is_what_goes_into_prepare_and_not_its_out(tmp_path) -> None:
    with pytest.raises(DataError, match=f"glioray prepare SOURCE RAW --out {tmp_path}$"):
        Manifest.load(tmp_path)
    (tmp_path / "scan.png").touch()
    with pytest.raises(DataError, match=f"glioray prepare SOURCE {tmp_path} --out {tmp_path}-prepared$"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema_version": 2}', "\x00"])
def test_what_is_no_manifest_is_one_line(tmp_path, content) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(DataError, match=r"manifest\.json") as raised:
        Manifest.load(tmp_path)
    assert "\n" not in str(raised.value)


def test_the_leak_line_names_both_numbers() -> None:
    leak = Leak(test_images=1311, with_copy_in_training=992)
    assert str(leak) == "leaky: 992 of 1311 test images have a copy in training"


def test_the_fingerprint_changes_with_a_byte_of_the_data(sided) -> None:
    shards = (sided.shards[0].model_copy(update={"sha256": "0"}), *sided.shards[1:])
    assert sided.model_copy(update={"shards": shards}).fingerprint != sided.fingerprint


@pytest.mark.parametrize(
    "path", ["/etc/x.parquet", "split=train/../../x.parquet", "../x.parquet", "split=train/.x", ""]
)
def test_a_shard_that_is_listed_outside_of_its_part_is_refused(sided, tmp_path, path) -> None:
    shard = {"path": path, "side": "train", "rows": 1, "sha256": "train"}
    content = {**json.loads(sided.model_dump_json()), "shards": [shard]}
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"shards\.0\.path"):
        Manifest.load(tmp_path)


def test_a_manifest_that_is_nested_too_deeply_is_refused(tmp_path) -> None:
    (tmp_path / FILE_NAME).write_text('{"schema_version": ' + "[" * 20_000 + "]" * 20_000 + "}")
    with pytest.raises(DataError, match=r"not a manifest of glioray \(it is nested too deeply\)"):
        Manifest.load(tmp_path)
