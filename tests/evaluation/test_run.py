from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.evaluation.conftest import disc, one_hot, own_mask

from glioray.evaluation.result import Evaluation
from glioray.evaluation.run import evaluate


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_perfect_classifier_scores_one_everywhere(make_classification, make_bundle, tmp_path, answer_with):
    dataset = make_classification([0, 0, 1, 1, 2, 2] * 2)
    answer_with(one_hot)

    found = evaluate(make_bundle(dataset), dataset.folder, tmp_path / "out")

    assert found.score("ece").value == 0
    assert {(score.value, score.low, score.high) for score in found.scores if score.name != "ece"} == {
        (1.0, None, None)
    }
    # Nothing is wrong that could be less sure than what is right.
    assert set(found.undefined) == {f"right_auc/{way}" for way in ("probability", "logit", "logit_lead")}
    assert found.confusion == ((4, 0, 0), (0, 4, 0), (0, 0, 4))
    assert (found.units, found.unit, found.rows) == (6, "groups", 12)


def test_a_constant_classifier_scores_chance(make_classification, make_bundle, tmp_path, answer_with):
    dataset = make_classification([0, 0, 1, 1, 2, 2, 0, 0])
    answer_with(lambda images: torch.tensor([[0.5, 0.3, 0.2]]).repeat(len(images), 1))

    found = evaluate(make_bundle(dataset), dataset.folder, tmp_path / "out")

    assert found.score("accuracy").value == 0.5
    assert found.score("balanced_accuracy").value == pytest.approx(1 / 3)
    assert found.score("f1").value == pytest.approx((2 * 4 / 12 + 0 + 0) / 3)
    assert found.score("precision/glioma").value == 0.5
    assert {found.score(name).value for name in ("auc", "auc/glioma", "auc/notumor", "right_auc/logit")} == {0.5}
    assert found.score("ece").value == pytest.approx(0)
    assert set(found.undefined) == {"precision/meningioma", "precision/notumor"}


def test_a_random_classifier_scores_chance(make_classification, make_bundle, tmp_path, answer_with):
    dataset = make_classification([0, 1, 2, 1] * 250)
    generator = torch.Generator().manual_seed(0)
    answer_with(lambda images: torch.rand(len(images), 3, generator=generator).softmax(1))

    found = evaluate(make_bundle(dataset), dataset.folder, tmp_path / "out")

    # 1000 images, a class at least 250 of them: three standard errors of a share are below 0.1, of an area 0.07.
    chance = {"accuracy": 1 / 3, "balanced_accuracy": 1 / 3, "recall/glioma": 1 / 3, "precision/meningioma": 1 / 2}
    assert {name: found.score(name).value for name in chance} == pytest.approx(chance, abs=0.1)
    areas = [score.value for score in found.scores if "auc" in score.name]
    assert len(areas) == 7
    assert areas == pytest.approx([0.5] * 7, abs=0.07)


def test_predictions_csv_has_a_row_an_image_in_the_order_of_the_shards(
    make_classification, make_bundle, tmp_path, answer_with
):
    dataset = make_classification([0, 1, 2])
    answer_with(lambda images: torch.tensor([[0.1234567, 0.7, 0.1765433]]).repeat(len(images), 1))

    evaluate(make_bundle(dataset), dataset.folder, tmp_path / "out")

    rows = read_csv(tmp_path / "out" / "predictions.csv")
    assert [(row["source"], row["truth"], row["predicted"]) for row in rows] == [
        ("test/0.png", "glioma", "meningioma"),
        ("test/1.png", "meningioma", "meningioma"),
        ("test/2.png", "notumor", "meningioma"),
    ]
    assert rows[0]["group_id"] == "test-g000"
    assert rows[0]["patient_id"] == ""
    assert float(rows[0]["probability_glioma"]) == pytest.approx(0.1234567, abs=1e-7)


def test_dice_of_a_patient_is_counted_over_all_slices(make_segmentation, make_bundle, tmp_path, answer_with):
    # A: 8 px true on slice 0, 8 px falsely predicted on an empty slice 1; B: found whole.
    shown = disc(16, 1, slice(0, 2), slice(0, 4))
    empty = np.zeros((16, 16), dtype=np.uint8)
    dataset = make_segmentation({"A": [shown, empty], "B": [disc(16, 4, slice(0, 4), slice(0, 4))]})

    def answer(images: torch.Tensor) -> torch.Tensor:
        found = own_mask(images)
        found[1, 0, 8:10, 0:4] = 1.0
        return found

    answer_with(answer)
    found = evaluate(make_bundle(dataset), dataset.folder, tmp_path / "out")

    by_patient = {row["patient_id"]: row for row in read_csv(tmp_path / "out" / "patients.csv")}
    assert float(by_patient["testA"]["dice_necrotic"]) == pytest.approx(2 * 8 / (2 * 8 + 8))
    assert float(by_patient["testA"]["precision_necrotic"]) == 0.5
    assert by_patient["testA"]["dice_enhancing"] == ""
    assert float(by_patient["testB"]["dice_TC"]) == 1.0
    assert found.score("dice/necrotic").value == pytest.approx(2 / 3)
    assert found.score("dice/TC").value == pytest.approx((2 / 3 + 1) / 2)
    assert found.score("dice").value == pytest.approx((2 / 3 + 1) / 2)
    assert (found.units, found.unit) == (2, "patients")


def test_two_scans_of_a_patient_are_two_volumes_and_one_patient(make_segmentation, make_bundle, tmp_path, answer_with):
    # A: one scan found whole, one not at all; together they would have a Dice of 2*16/(2*16+16).
    whole = disc(16, 4, slice(0, 4), slice(0, 4))
    dataset = make_segmentation({"A-1": [whole], "A-2": [whole], "B": [whole]})

    def answer(images: torch.Tensor) -> torch.Tensor:
        return own_mask(images) * torch.tensor([1.0, 0.0, 1.0])[:, None, None, None]

    answer_with(answer)
    found = evaluate(make_bundle(dataset), dataset.folder, tmp_path / "out")

    rows = read_csv(tmp_path / "out" / "patients.csv")
    assert [(row["patient_id"], row["case_id"], float(row["dice_enhancing"])) for row in rows] == [
        ("testA", "testA-1", 1.0),
        ("testA", "testA-2", 0.0),
        ("testB", "testB", 1.0),
    ]
    assert found.score("dice/enhancing").value == (0.5 + 1) / 2
    assert (found.units, found.cases) == (2, 3)


def test_distance_of_the_outlines_is_in_mm_where_the_spacing_is_known(
    make_segmentation, make_bundle, tmp_path, answer_with
):
    shown = disc(16, 4, slice(4, 8), slice(4, 8))
    dataset = make_segmentation({"A": [shown], "B": [shown]}, spacing_mm=(2.0, 2.0, 2.0))
    answer_with(lambda images: own_mask(torch.roll(images, 3, dims=3)))

    found = evaluate(make_bundle(dataset), dataset.folder, tmp_path / "out")

    assert found.score("hd95_mm/enhancing").value == found.score("median_hd95_mm/TC").value == 6.0
    assert "hd95_mm/necrotic" in found.undefined
    assert "in three dimensions" in (tmp_path / "out" / "report.html").read_text()


def test_where_only_one_has_the_label_there_is_no_distance_and_it_is_counted(
    make_segmentation, make_bundle, tmp_path, answer_with
):
    shown, empty = disc(16, 4, slice(4, 8), slice(4, 8)), np.zeros((16, 16), dtype=np.uint8)
    dataset = make_segmentation({"A": [shown], "B": [shown], "C": [empty]})
    answer_with(lambda images: own_mask(images) * torch.tensor([1.0, 0.0, 1.0])[:, None, None, None])

    found = evaluate(make_bundle(dataset), dataset.folder, tmp_path / "out")

    assert found.score("hd95_px/enhancing").value == 0.0
    assert found.cases_without_distance == {"necrotic": 0, "enhancing": 1, "TC": 1}
    assert "px of the" in (tmp_path / "out" / "report.html").read_text()


def test_counts_of_a_slice_are_in_predictions_csv(make_segmentation, make_bundle, tmp_path, answer_with):
    dataset = make_segmentation({"A": [disc(16, 4, slice(0, 2), slice(0, 4)), np.zeros((16, 16), dtype=np.uint8)]})
    answer_with(lambda images: own_mask(torch.roll(images, 1, dims=3)))

    evaluate(make_bundle(dataset), dataset.folder, tmp_path / "out")

    first, second = read_csv(tmp_path / "out" / "predictions.csv")
    assert [first[f"enhancing_{kind}"] for kind in ("tp", "fp", "fn")] == ["6", "2", "2"]
    assert [first[f"TC_{kind}"] for kind in ("tp", "fp", "fn")] == ["6", "2", "2"]
    assert second["slice_index"] == "1"
    assert second["enhancing_fp"] == "0"


@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_the_batch_size_decides_nothing(make_segmentation, make_bundle, tmp_path, batch_size):
    masks = [disc(16, 1 + 3 * (i % 2), slice(i, i + 4), slice(2, 9)) for i in range(5)]
    dataset = make_segmentation({"A": masks[:3], "B": masks[3:]})
    bundle = make_bundle(dataset)

    whole = evaluate(bundle, dataset.folder, tmp_path / "whole", batch_size=5)
    parts = evaluate(bundle, dataset.folder, tmp_path / "parts", batch_size=batch_size)

    assert parts == whole


def test_a_mask_of_everything_and_one_of_nothing_have_the_known_figures(
    make_segmentation, make_bundle, tmp_path, answer_with
):
    # 16 of 256 px are true on one of two slices; everything else is false.
    truth = [disc(16, 4, slice(4, 8), slice(4, 8)), np.zeros((16, 16), dtype=np.uint8)]
    dataset = make_segmentation({"A": truth, "B": truth}, spacing_mm=(5.0, 2.0, 2.0))
    bundle = make_bundle(dataset)
    answer_with(lambda images: torch.stack([torch.zeros_like(images[:, 0]), torch.ones_like(images[:, 0])], 1).float())
    everything = evaluate(bundle, dataset.folder, tmp_path / "all")
    answer_with(lambda images: torch.zeros(len(images), 2, 16, 16))
    nothing = evaluate(bundle, dataset.folder, tmp_path / "none")

    figures = ("dice", "iou", "recall", "fpr", "fnr", "lesion_recall", "lesion_f1", "volume_error_ml")
    values = {name: [one.score(f"{name}/enhancing").value for one in (everything, nothing)] for name in figures}
    assert values == {
        "dice": [pytest.approx(32 / (512 + 16)), 0],
        "iou": [16 / 512, 0],
        "recall": [1, 0],
        "fpr": [1, 0],
        "fnr": [0, 1],
        "lesion_recall": [1, 0],
        "lesion_f1": [1, 0],
        "volume_error_ml": [pytest.approx(496 * 0.02), pytest.approx(-16 * 0.02)],
    }
    assert everything.score("precision/enhancing").value == 16 / 512
    assert "precision/enhancing" in nothing.undefined


def test_a_real_network_runs_and_what_is_written_reads_back(make_classification, make_bundle, tmp_path):
    dataset = make_classification([0, 1, 2, 1], size_px=80)
    seen: list[tuple[int, int]] = []

    found = evaluate(
        make_bundle(dataset), dataset.folder, tmp_path / "out", on_progress=lambda *done: seen.append(done)
    )

    assert Evaluation.load(tmp_path / "out") == found
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "metrics.json",
        "predictions.csv",
        "report.html",
    ]
    assert seen[-1] == (4, 4)
    assert all(score.seed == 7 for score in found.scores)
    assert found.is_own_data
