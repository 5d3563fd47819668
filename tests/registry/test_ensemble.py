from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from glioray.data.manifest import Normalization
from glioray.data.preprocessing import normalize
from glioray.errors import BundleError, ModelError
from glioray.registry.bundle import CONFIG, Calibration, ModelBundle, Score
from glioray.registry.card import headline, render_card
from glioray.registry.ensemble import Named, average, save_average
from glioray.registry.locate import locate
from glioray.registry.store import Store

SCORE = Score(name="dice", value=0.5, low=None, high=None, split="test", units=1, unit="patients", seed=1)
OTHER_SCALE = {"normalization": Normalization(mean=(9.0, 70.0), std=(30.0, 50.0))}
OTHER_FOLD = {"data_fingerprint": "fedcba987654", "learned_from": ("hash2", "hash3")}


def named(*bundles: ModelBundle) -> list[Named]:
    return [Named(f"runs/{place}", bundle) for place, bundle in enumerate(bundles)]


@pytest.fixture
def pair(bundle, another) -> list[ModelBundle]:
    """Two architectures with two normalizations."""
    return [bundle, another(1, {"model.base_filters": 4}, **OTHER_SCALE)]


def test_it_answers_the_mean_of_what_its_members_answer(pair):
    images = torch.randint(0, 256, (3, 2, 16, 16), dtype=torch.uint8)
    together = average(named(*pair))

    with torch.inference_mode():
        alone = [one.build()(normalize(images, one.config.normalization)).sigmoid() for one in pair]
        found = together.build()(normalize(images, together.config.normalization)).sigmoid()

    torch.testing.assert_close(found, torch.stack(alone).mean(0))
    assert not torch.allclose(found, alone[0])


def test_it_is_laid_out_for_speed_like_any_other(pair):
    together = average(named(*pair))
    images = torch.rand(2, 2, 16, 16) * 255

    with torch.inference_mode():
        expected = together.build()(images)
        found = together.build().to(memory_format=torch.channels_last)(images)

    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_a_saved_one_is_loaded_exactly(pair, tmp_path):
    together = average(named(*pair))
    assert save_average(together, tmp_path / "both")

    loaded = locate(str(tmp_path / "both"), "none").bundle

    assert loaded.config == together.config
    images = torch.rand(2, 2, 16, 16) * 255
    with torch.inference_mode():
        assert torch.equal(loaded.build()(images), together.build()(images))


def test_it_is_published_like_any_other(pair, tmp_path):
    together = average(named(*pair))
    save_average(together, tmp_path / "both")

    Store(str(tmp_path / "registry")).publish(locate(str(tmp_path / "both"), "none").folder, "both")

    assert Store(str(tmp_path / "registry")).load("both")[1].config == together.config


def test_it_says_what_it_is_made_of(pair):
    config = average(named(*pair)).config

    assert config.architecture == "average of 2: classic_unet, classic_unet"
    assert config.seed == (0, 1)
    assert [member.recipe["model"]["base_filters"] for member in config.members] == [2, 4]
    assert headline(config) == "average of 2, not evaluated"


def test_its_card_shows_the_members_with_their_own_scores(bundle, another):
    card = render_card(average(named(bundle, another(7).with_scores((SCORE,)))).config)

    assert "# average of 2: classic_unet, classic_unet for segmentation" in card
    assert "| classic_unet | 7 | 3 | `0123456789ab` | dice 0.500, test, 1 patient, seed 1 |" in card
    assert "probabilities averaged over 2 models" in card


def test_seeds_of_one_split_keep_its_fingerprint(bundle, another):
    config = average(named(bundle, another(1), another(2))).config

    assert config.data_fingerprint == bundle.config.data_fingerprint
    assert config.learned_from == bundle.config.learned_from


def test_folds_have_learned_from_every_scan_that_one_of_them_has(bundle, another):
    config = average(named(bundle, another(1, **OTHER_FOLD))).config

    assert config.learned_from == ("hash1", "hash2", "hash3")
    assert config.data_fingerprint == "0123456789ab+fedcba987654"  # of no data: nothing is its own test side


def test_the_leak_of_one_member_is_a_leak_of_all(bundle, another):
    assert average(named(bundle, another(1, leak="leaky: 3 of 9"), another(2, leak="leaky: 3 of 9"))).config.leak == (
        "leaky: 3 of 9"
    )
    assert average(named(bundle, another(1))).config.leak is None


def test_a_synthetic_member_makes_all_synthetic(bundle, another):
    contents = bundle.config.contents.model_copy(update={"synthetic": True, "citation": "phantom"})

    config = average(named(bundle, another(1, contents=contents))).config

    assert config.contents.synthetic
    assert config.contents.citation == "toy; phantom"


def test_scores_of_the_first_are_not_those_of_all(bundle, another):
    assert average(named(bundle.with_scores((SCORE,)), another(1))).config.scores == ()


@pytest.mark.parametrize(("sizes_px", "asked", "expected"), [((20, 60), None, 20), ((20, 60), 0, 0), ((0, 0), 9, 9)])
def test_the_smallest_part_is_the_smallest_of_the_members_unless_it_is_said(another, sizes_px, asked, expected):
    members = [another(seed, smallest_part_px=size) for seed, size in enumerate(sizes_px)]

    assert average(named(*members), smallest_part_px=asked).config.smallest_part_px == expected


def test_flips_are_those_of_the_members_unless_they_are_said(another):
    members = named(*(another(seed, {"answer.flips": "horizontal"}) for seed in (0, 1)))

    assert average(members).config.flips == "horizontal"
    assert average(members, flips="both").config.flips == "both"


def test_members_with_other_flips_are_refused_unless_it_is_said_which_hold(bundle, another):
    members = named(bundle, another(1, {"answer.flips": "both"}))

    with pytest.raises(ModelError, match=r"runs/1: answer.flips is 'both', of runs/0 it is 'none': .* with --flips"):
        average(members)
    assert average(members, flips="none").config.flips == "none"


@pytest.mark.parametrize(
    ("part", "changes", "expected"),
    [
        (
            "contents",
            {"channels": ("flair", "t1")},
            r"channels is \('flair', 't1'\), of runs/0 it is \('t1', 'flair'\)",
        ),
        ("contents", {"labels": {"edema": 1}}, r"labels is {'edema': 1}, of runs/0 it is {'edema': 2}"),
        ("contents", {"regions": {"WT": ("edema",)}}, r"regions is {'WT': \('edema',\)}, of runs/0 it is {}"),
        ("preprocessing", {"image_size": 32}, "image_size is 32, of runs/0 it is 16"),
        ("preprocessing", {"crop_head": True}, "crop_head is True, of runs/0 it is False"),
        ("preprocessing", {"intensity": "zscore"}, "intensity is 'zscore', of runs/0 it is 'as_is'"),
        ("preprocessing", {"version": 1}, "version is 1, of runs/0 it is 2"),
    ],
)
def test_the_first_difference_is_refused_with_both_values(bundle, another, part, changes, expected):
    other = another(1, **{part: getattr(bundle.config, part).model_copy(update=changes)})

    with pytest.raises(ModelError, match=f"runs/2: {expected}"):
        average(named(bundle, another(2), other))


def test_the_order_of_the_labels_is_a_difference(bundle, another):
    orders = ({"edema": 2, "core": 1}, {"core": 1, "edema": 2})
    members = [
        another(seed, contents=bundle.config.contents.model_copy(update={"labels": labels}))
        for seed, labels in enumerate(orders)
    ]

    with pytest.raises(ModelError, match=r"labels is {'core': 1, 'edema': 2}, of runs/0 it is {'edema': 2, 'core': 1}"):
        average(named(*members))


def test_region_trained_and_label_trained_members_are_not_mixed(bundle, another):
    contents = bundle.config.contents.model_copy(update={"regions": {"WT": ("edema",)}})
    members = named(
        *(
            another(place, {"loss.target": target}, contents=contents)
            for place, target in enumerate(("labels", "regions"))
        )
    )

    with pytest.raises(ModelError, match="loss.target is 'regions', of runs/0 it is 'labels'"):
        average(members)


def test_one_model_is_no_average(bundle):
    with pytest.raises(BundleError, match="two models or more, 1 is named"):
        average(named(bundle))


def test_the_same_model_twice_is_refused(bundle, another):
    with pytest.raises(BundleError, match="runs/0 and runs/2 are the same model"):
        average(named(bundle, another(1), bundle))


def test_an_average_of_averages_is_refused(bundle, another):
    together = average(named(bundle, another(1)))

    with pytest.raises(BundleError, match="runs/1: is an average of 2 already"):
        average(named(another(2), together))


def test_a_member_that_does_not_say_what_it_learned_from_is_refused_where_the_data_differ(bundle, another):
    silent = another(1, data_fingerprint="fedcba987654", learned_from=())

    with pytest.raises(BundleError, match="runs/1: does not list the scans"):
        average(named(bundle, silent))


def test_a_weight_that_is_missing_is_refused(bundle, another):
    together = average(named(bundle, another(1)))
    fewer = {key: tensor for key, tensor in together.weights.items() if key != "1.head.bias"}

    with pytest.raises(BundleError, match="weights do not fit 'average of 2: .*1.head.bias"):
        replace(together, weights=fewer).build()


def test_the_same_average_again_does_nothing_and_keeps_its_scores(bundle, another, tmp_path):
    members = named(bundle, another(1))
    save_average(average(members), tmp_path / "both")
    found = locate(str(tmp_path / "both"), "none")
    calibration = Calibration(temperature=2.0, ece_before=0.2, ece_after=0.1, units=3, unit="groups")
    judged = found.bundle.config.model_copy(update={"scores": (SCORE,), "calibration": calibration})
    found.keep(replace(found.bundle, config=judged))

    assert not save_average(average(members), tmp_path / "both")
    assert locate(str(tmp_path / "both"), "none").bundle.config.scores == (SCORE,)


def test_a_member_that_was_trained_again_makes_another_average(bundle, another, tmp_path):
    member = another(1)
    save_average(average(named(bundle, member)), tmp_path / "both")
    trained_again = replace(member, weights={key: tensor + 1 for key, tensor in member.weights.items()})

    with pytest.raises(BundleError, match="differs in members, weights or settings: give a new folder"):
        save_average(average(named(bundle, trained_again)), tmp_path / "both")


def test_another_average_and_its_evaluation_are_never_replaced(bundle, another, tmp_path):
    save_average(average(named(bundle, another(1))), tmp_path / "both")
    (tmp_path / "both" / "evaluation").mkdir()

    with pytest.raises(BundleError, match=r"of classic_unet \(seed 0\), .*\(seed 1\), which .* new one, .*\(seed 2\)"):
        save_average(average(named(bundle, another(2))), tmp_path / "both")

    assert locate(str(tmp_path / "both"), "none").bundle.config.seed == (0, 1)
    assert sorted(path.name for path in (tmp_path / "both").iterdir()) == ["bundle", "evaluation"]


def test_a_classifier_has_no_parts_to_remove(bundle, another):
    contents = bundle.config.contents.model_copy(update={"task": "classification", "classes": ("a",)})
    members = named(*(another(seed, contents=contents) for seed in (0, 1)))

    with pytest.raises(ModelError, match="runs/0: is a classifier, .* leave out --smallest-part-px"):
        average(members, smallest_part_px=5)


def test_a_run_is_never_overwritten(bundle, another, tmp_path):
    together = average(named(bundle, another(1)))
    bundle.save(tmp_path / "run" / "bundle")
    for out in (tmp_path / "run", tmp_path / "run" / "bundle", tmp_path / "run" / "bundle" / CONFIG):
        with pytest.raises(BundleError, match="give a new folder as --out"):
            save_average(together, out)

    assert ModelBundle.load(tmp_path / "run" / "bundle").config == bundle.config


def test_a_failure_while_saving_leaves_nothing(bundle, another, tmp_path, monkeypatch):
    monkeypatch.setattr("glioray.registry.bundle.render_card", lambda config: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        save_average(average(named(bundle, another(2))), tmp_path / "both")

    assert list(tmp_path.iterdir()) == []
