"""What is refused before Ray starts."""

from __future__ import annotations

import socket

import pytest

from glioray.errors import RegistryError, ServingError
from glioray.registry.store import Store
from glioray.serving import run as service
from glioray.serving.keys import KeyRing
from glioray.serving.settings import ServeArgs


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch):
    def connect(address):
        raise AssertionError("Ray was started")

    monkeypatch.setattr(service, "connect", connect)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org", ""])
def test_an_address_that_others_reach_is_refused_without_keys(host):
    with pytest.raises(ServingError, match=r"is not this machine's loopback, and there are no keys: write NAME:KEY"):
        service.run(ServeArgs(), host, 8000, print)


def test_an_address_that_others_reach_is_taken_with_keys(tmp_path):
    """As far as the models, of which there are none here."""
    keys = KeyRing.parse([("", "ward:" + "k" * 32)])
    with pytest.raises(ServingError, match="holds no model"):
        service.run(ServeArgs(registry=str(tmp_path)), "0.0.0.0", 9871, print, keys)


def test_a_port_in_use_is_refused_in_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServingError, match=f"port {port} of 127.0.0.1 cannot be used") as raised:
            service.run(ServeArgs(), "127.0.0.1", port, print)

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("port", [0, 10_002, 19_999, 65_536])
def test_a_port_that_ray_keeps_or_that_is_none_is_refused(port):
    with pytest.raises(ServingError, match=f"port {port} cannot be served on"):
        service.run(ServeArgs(), "127.0.0.1", port, print)


def test_a_registry_without_models_is_refused(tmp_path):
    with pytest.raises(ServingError, match="holds no model; publish one"):
        service.run(ServeArgs(registry=str(tmp_path)), "127.0.0.1", 9871, print)


def test_a_model_that_is_not_published_is_refused_with_the_nearest(tmp_path, classifier_bundle):
    classifier_bundle.save(tmp_path / "bundle")
    Store(str(tmp_path / "registry")).publish(tmp_path / "bundle", "kinds")

    with pytest.raises(RegistryError, match="did you mean 'kinds'"):
        service.run(ServeArgs(registry=str(tmp_path / "registry"), models=("kind",)), "127.0.0.1", 9871, print)
