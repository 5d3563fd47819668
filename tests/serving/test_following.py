"""Replicas that change what they serve: one after the other, and only once the new model is there."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from glioray.errors import BundleError, RegistryError
from glioray.registry.rollout import Serving
from glioray.registry.store import Published
from glioray.serving import choosing
from glioray.serving.following import Follower
from glioray.serving.schemas import ModelInfo
from glioray.serving.shelf import Shelf
from glioray.serving.turns import FORGET_S, TURN_S, ReplicaState, Turns
from glioray.serving.visit import SCOPE_KEY, Visit


class Model:
    """What a shelf knows of a hosted model."""

    def __init__(self, info):
        self.info = info

    def as_served(self, wish):
        return Model(self.info.model_copy(update={"canary_share": wish.share, "aliases": wish.aliases}))


@pytest.fixture
def load(classifier_bundle):
    def load(reference):
        if reference == "kinds@13":
            raise BundleError("kinds@13: damaged")
        name, version = reference.split("@")
        load.loaded.append(reference)
        return Model(ModelInfo.of(Published(name, int(version), ()), classifier_bundle.config))

    load.loaded = []
    return load


@pytest.fixture
def shelf(load):
    shelf = Shelf(load)
    shelf.replace([Serving("kinds@1")])
    return shelf


def test_what_is_replaced_stays_behind_the_shelf_and_comes_back_without_loading(shelf, load):
    shelf.replace([Serving("kinds@2")])
    assert (shelf.references, shelf.find("kinds@1") is not None) == (("kinds@2",), True)

    shelf.replace([Serving("kinds@1")])

    assert load.loaded == ["kinds@1", "kinds@2"]
    assert (len(shelf), shelf[0].info.version, [model.info.version for model in shelf]) == (1, 1, [1])


def test_only_what_was_replaced_last_is_kept(shelf):
    shelf.replace([Serving("kinds@2")])
    shelf.replace([Serving("kinds@3")])
    assert shelf.find("kinds@1") is None
    assert shelf.find("kinds@2") is not None


def test_an_alias_leads_to_the_version_that_it_stands_for_now(shelf):
    shelf.replace([Serving("kinds@1", aliases=("latest",))])
    shelf.replace([Serving("kinds@1"), Serving("kinds@2", 0.5, ("latest",))])
    assert choosing.find(shelf, "kinds@latest").info.version == 2


def test_a_volume_of_a_version_that_is_not_here_has_it_loaded_once(shelf, load):
    assert shelf.fetch("kinds@7").info.version == shelf.fetch("kinds@7").info.version == 7
    assert (load.loaded, shelf.references) == (["kinds@1", "kinds@7"], ("kinds@1",))


def test_what_passes_is_tried_again(shelf, load, monkeypatch):
    follower, turns = follow(shelf, lambda: [Serving("kinds@2")])
    monkeypatch.setattr(shelf, "_load", lambda reference: (_ for _ in ()).throw(OSError("the line is down")))
    asyncio.run(follower.step())
    assert turns.replicas()["me"].trouble == "OSError: the line is down"
    monkeypatch.setattr(shelf, "_load", load)
    asyncio.run(follower.step())
    assert shelf.references == ("kinds@2",)


def test_a_model_that_cannot_be_loaded_changes_nothing(shelf):
    with pytest.raises(BundleError):
        shelf.replace([Serving("kinds@2"), Serving("kinds@13", 0.5)])
    assert shelf.serving == (Serving("kinds@1"),)


def test_replicas_change_one_after_the_other():
    now = [0.0]
    turns, state = Turns(lambda: now[0]), ReplicaState(models=("kinds@1",))
    assert turns.check_in("a", state, wants_turn=True)
    assert not turns.check_in("b", state, wants_turn=True)
    assert not turns.check_in("a", state, wants_turn=False)  # has changed
    assert turns.check_in("b", state, wants_turn=True)
    now[0] += TURN_S - 1
    assert not turns.check_in("a", state, wants_turn=True)
    now[0] += 2
    assert turns.check_in("a", state, wants_turn=True)  # b has died with its turn


def test_a_replica_that_is_heard_of_no_more_is_forgotten_but_not_while_it_loads():
    now = [0.0]
    turns, state = Turns(lambda: now[0]), ReplicaState(models=("kinds@1",))
    turns.check_in("gone", state, wants_turn=False)
    turns.check_in("loading", state, wants_turn=True)
    now[0] += FORGET_S + 1
    assert set(turns.replicas()) == {"loading"}


def follow(shelf, wanted, turns=None):
    turns = turns or Turns()

    async def check_in(state, wants_turn):
        return turns.check_in("me", state, wants_turn)

    return Follower(shelf, wanted, check_in), turns


def test_a_rollout_is_followed_and_told(shelf):
    follower, turns = follow(shelf, lambda: [Serving("kinds@1"), Serving("kinds@2", 0.25)])

    asyncio.run(follower.step())

    assert [(model.info.version, model.info.canary_share) for model in shelf] == [(1, None), (2, 0.25)]
    assert turns.replicas() == {"me": ReplicaState(models=("kinds@1", "kinds@2"))}


def test_out_of_turn_nothing_changes(shelf):
    follower, turns = follow(shelf, lambda: [Serving("kinds@2")])
    turns.check_in("another", ReplicaState(models=("kinds@1",)), wants_turn=True)
    asyncio.run(follower.step())
    assert shelf.references == ("kinds@1",)


def test_a_damaged_version_is_told_tried_once_and_forgotten_when_it_is_taken_back(shelf, load):
    wanted = [[Serving("kinds@13")]]
    follower, turns = follow(shelf, lambda: wanted[0])
    for _ in range(3):
        asyncio.run(follower.step())
    assert turns.replicas()["me"] == ReplicaState(models=("kinds@1",), trouble="BundleError: kinds@13: damaged")
    wanted[0] = [Serving("kinds@1")]
    asyncio.run(follower.step())
    assert turns.replicas()["me"].trouble is None


def test_a_registry_that_is_away_is_told_and_asked_again(shelf):
    answers = iter([RegistryError("away"), [Serving("kinds@2")]])

    def wanted():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    follower, turns = follow(shelf, wanted)
    asyncio.run(follower.step())
    assert turns.replicas()["me"] == ReplicaState(models=("kinds@1",), trouble="away")
    asyncio.run(follower.step())
    assert shelf.references == ("kinds@2",)


def test_a_canary_answers_its_share_of_those_who_name_no_version(shelf):
    shelf.replace([Serving("kinds@1"), Serving("kinds@2", 0.25)])

    def versions(reference):
        return [
            choosing.choose(SimpleNamespace(scope={SCOPE_KEY: visit}), shelf, reference, "classification").info.version
            for visit in (Visit(f"id-{number}", "POST") for number in range(2000))
        ]

    assert 0.2 < versions("kinds").count(2) / 2000 < 0.3
    assert versions("kinds") == versions("kinds") == versions(None)
    assert set(versions("kinds@1")) == {1}
    assert set(versions("kinds@2")) == {2}
