"""Steps of a rollout, on a registry whose versions hold nothing: only their markers count here."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from glioray.errors import RegistryError
from glioray.registry import rollout
from glioray.registry.rollout import CLAIM, FILE, Rollout, Serving, change, read_rollout, serving
from glioray.registry.store import MARKER, Store


@pytest.fixture
def store(bucket):
    store = Store(bucket)
    for version in (1, 2, 3):
        store.write("kinds", f"{version}/{MARKER}", b"{}")
    store.move_alias("kinds", "latest", 3)
    store.move_alias("kinds", "ward", 1)
    return store


def of(store, wish="kinds", started_with=1):
    return [(one.reference, one.share) for one in serving(store, wish, started_with)]


def test_publishing_alone_changes_no_service(store):
    assert of(store, started_with=2) == [("kinds@2", None)]


def test_a_canary_then_all_then_back(store):
    change(store, "kinds", to=1)
    assert of(store) == [("kinds@1", None)]

    change(store, "kinds", canary_share=0.1)
    assert of(store) == [("kinds@1", None), ("kinds@3", 0.1)]

    assert change(store, "kinds") == Rollout(version=3, before=1)
    assert of(store) == [("kinds@3", None)]

    change(store, "kinds", back=True)
    assert of(store) == [("kinds@1", None)]


def test_back_ends_a_canary_and_leaves_the_rest(store):
    change(store, "kinds", to=2)
    change(store, "kinds", to=3, canary_share=0.5)
    change(store, "kinds", back=True)
    assert of(store) == [("kinds@2", None)]


def test_the_first_rollout_leads_back_to_the_version_before(store):
    assert change(store, "kinds") == Rollout(version=3, before=2)
    change(store, "kinds", back=True)
    assert of(store) == [("kinds@2", None)]


def test_an_alias_is_followed_and_a_version_stays(store):
    change(store, "kinds", to=2)
    assert of(store, "kinds@ward") == [("kinds@1", None)]
    store.move_alias("kinds", "ward", 3)
    assert of(store, "kinds@ward") == [("kinds@3", None)]
    assert of(store, "kinds@1") == [("kinds@1", None)]


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"to": 9}, "kinds has no version or alias '9'"),
        ({"to": 3, "canary_share": 0.1}, "say first what answers the other requests"),
        ({"to": 2, "canary_share": 0}, "more than 0 of the requests"),
        ({"back": True}, "nothing was rolled out before"),
    ],
)
def test_a_step_that_leads_nowhere_is_refused_and_changes_nothing(store, wish, told):
    with pytest.raises(RegistryError, match=told):
        change(store, "kinds", **wish)
    assert read_rollout(store, "kinds") is None


def test_what_has_all_requests_can_be_no_canary(store):
    change(store, "kinds", to=3)
    with pytest.raises(RegistryError, match="kinds@3 has all the requests already"):
        change(store, "kinds", canary_share=0.1)


def test_a_share_of_all_is_a_rollout(store):
    change(store, "kinds", to=2, canary_share=1)
    assert of(store) == [("kinds@2", None)]


@pytest.mark.parametrize("content", [b'{"version": 0}', pytest.param(b"[" * 100_000, id="deep")])
def test_a_damaged_record_says_how_to_write_it_anew(store, content):
    store.write("kinds", FILE, content)
    with pytest.raises(RegistryError, match=r"glioray rollout kinds --to VERSION"):
        read_rollout(store, "kinds")


def test_two_changes_at_once_are_one_after_the_other(store, monkeypatch):
    both = threading.Barrier(2)

    def read(store, name):
        now = read_rollout(store, name)
        with suppress(threading.BrokenBarrierError):
            both.wait(0.5)
        return now

    change(store, "kinds", to=1)
    monkeypatch.setattr(rollout, "read_rollout", read)
    with ThreadPoolExecutor() as pool:
        changed = [*pool.map(lambda to: change(store, "kinds", to), (2, 3))]
    first, second = sorted(changed, key=lambda one: one.before != 1)
    assert (first.before, second.before) == (1, first.version)
    assert of(store) == [(f"kinds@{second.version}", None)]


def test_a_change_that_was_killed_holds_the_others_up_in_one_line(store, monkeypatch):
    monkeypatch.setattr(rollout, "WAIT_S", 0)
    assert store.create("kinds", CLAIM)
    with pytest.raises(RegistryError, match=r"another process is changing .*: remove kinds/rollout\.json\.claim$"):
        change(store, "kinds", to=2)

    store.remove("kinds", CLAIM)
    with pytest.raises(RegistryError, match="nothing was rolled out before"):
        change(store, "kinds", back=True)
    change(store, "kinds", to=2)
    assert of(store) == [("kinds@2", None)]


def test_serving_is_a_value():
    assert Serving("kinds@1") == Serving("kinds@1", None)
