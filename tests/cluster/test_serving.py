"""The service for real: Ray Serve, HTTP, keys, and bundles from a registry.

Must start Ray: the hop to the desk for volumes, a replica that follows the registry while it answers, a body that is
refused while it arrives, and what Serve's proxy makes of headers and connections exist only there.
"""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import ray
import torch
from PIL import Image

from glioray.client import Client
from glioray.cluster import free_port
from glioray.data.manifest import Normalization
from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Contents, Signature
from glioray.models import _contract as models
from glioray.recipe import Recipe
from glioray.registry.bundle import BundleConfig, ModelBundle
from glioray.registry.rollout import change
from glioray.registry.store import Store
from glioray.serving.keys import KeyFile
from glioray.serving.predictor import Predictor
from glioray.serving.run import serving
from glioray.serving.settings import ServeArgs

KEY = "k" * 32
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]
MODELS = {
    "kinds": (
        Contents(task="classification", channels=("grey",), classes=("glioma", "notumor"), citation="a test"),
        {"name": "custom_cnn"},
        Preprocessing(image_size=80, crop_head=True, intensity="percentile"),
    ),
    "regions": (
        Contents(task="segmentation", channels=("t1", "flair"), labels={"edema": 2}, citation="a test"),
        {"name": "classic_unet", "base_filters": 2, "depth": 2},
        Preprocessing(image_size=32, crop_head=False, intensity="percentile"),
    ),
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("serving")
    for name in MODELS:
        bundle(name).save(folder / name)
        Store(str(folder / "registry")).publish(folder / name, name)
    return str(folder / "registry")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the keys and of the access log."""
    folder = tmp_path_factory.mktemp("guard")
    (folder / "keys").write_text(f"ward:{KEY}\n")
    return folder


@pytest.fixture(scope="module")
def client(shared_ray: None, registry: str, folder: Path) -> Iterator[httpx.Client]:
    args = ServeArgs(
        registry=registry,
        max_body_mb=0.2,
        request_timeout_s=4,
        total_timeout_s=4,
        access_log=str(folder / "access.jsonl"),
        follow_s=0.2,
    )
    keys, headers = KeyFile(folder / "keys"), {"x-api-key": KEY}
    with (
        serving(args, "127.0.0.1", free_port(8100), keys) as url,
        httpx.Client(base_url=url, timeout=60, headers=headers) as client,
    ):
        yield client


def test_every_published_model_is_ready(client):
    assert client.get("/readyz").json() == {"ready": True, "models": {"kinds@1": True, "regions@1": True}}


def test_a_picture_is_answered_as_the_predictor_answers_it(client):
    expected = Predictor.load(bundle("kinds")).classify(picture())

    answer = client.post("/v1/classify", files={"file": ("scan.png", png(picture()))}).json()

    assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)
    assert answer["label"] == expected.label


def test_a_slice_is_segmented_as_the_predictor_segments_it(client):
    raw = np.stack([picture(1)[0], picture(2)[0]])
    stream = io.BytesIO()
    np.save(stream, raw)

    mask = client.post("/v1/segment?scaled=true", content=stream.getvalue()).json()["mask"]

    unfolded = np.repeat(mask["values"], mask["counts"]).reshape(mask["shape"])
    assert set(mask["values"]) == {0, 2}
    np.testing.assert_array_equal(unfolded, Predictor.load(bundle("regions")).segment(raw, is_scaled=True).mask)


def test_answers_of_a_full_batch_go_to_those_who_asked(client):
    raws = [picture(seed) for seed in range(24)]
    predictor = Predictor.load(bundle("kinds"))

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda raw: client.post("/v1/classify", content=png(raw)).json(), raws))

    for raw, answer in zip(raws, answers, strict=True):
        assert answer["probabilities"] == pytest.approx(predictor.classify(raw).probabilities, abs=1e-6)


def test_a_volume_is_segmented_in_the_replica_with_progress_as_the_predictor_segments_it(client):
    raw = volume(20)
    predictor = Predictor.load(bundle("regions"))
    expected = np.stack([answer.mask for answer in predictor.segment_batch(predictor.prepare_slices(raw))])

    response = client.post("/v1/segment", content=npy(raw), headers={"Prefer": "respond-async"})

    address = response.headers["location"]
    while (status := client.get(address).json())["state"] in ("queued", "running"):
        time.sleep(0.05)
    assert (status["state"], status["slices_done"], status["slices"]) == ("done", 20, 20)
    slices = client.get(f"{address}/result").json()["slices"]
    mask = np.stack([np.repeat(one["values"], one["counts"]).reshape(60, 50) for one in slices])
    np.testing.assert_array_equal(mask, expected)
    assert set(np.unique(mask)) == {0, 2}


def test_a_cancelled_volume_leaves_the_replica_to_others(client):
    """Only Serve shows whether the end of a stream reaches the replica: the next volume would wait its turn."""
    address = client.post("/v1/segment", content=npy(volume(500)), headers={"Prefer": "respond-async"}).headers[
        "location"
    ]
    while client.get(address).json()["slices_done"] == 0:
        time.sleep(0.01)

    assert client.delete(address).status_code == 204

    assert client.get(address).status_code == 404
    answer = client.post("/v1/segment", content=npy(volume(3)))
    assert len(answer.json()["slices"]) == 3


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("/v1/classify?model=kind", b"\x89PNG\r\n\x1a\n", 404),
        ("/v1/classify", b"plain text", 415),
        ("/v1/classify", bytes(300_000), 413),
        ("/v1/classify", b"\x89PNG\r\n\x1a\n and then nothing", 400),
        ("/v1/segment", None, 422),
    ],
)
def test_a_bad_request_is_a_problem(client, path, content, status):
    response = client.post(path, content=content or png(picture()))

    assert response.status_code == response.json()["status"] == status
    assert response.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in response.text


def test_without_a_key_a_large_body_is_refused_before_it_has_come(client):
    response = httpx.post(client.base_url.join("/v1/classify"), content=bytes(5_000_000), timeout=60)

    assert response.status_code == 401
    assert response.headers["connection"] == "close"


def test_an_answer_has_one_request_id_and_the_log_has_it_too(client, folder):
    response = client.post("/v1/classify", content=png(picture()), headers={"x-request-id": "ward-17"})
    made = client.get("/v1/models").headers.get_list("x-request-id")

    assert response.headers.get_list("x-request-id") == ["ward-17"]
    line = logged(folder, "ward-17")
    assert (line["key"], line["route"], line["status"]) == ("ward", "/v1/classify", 200)
    assert (line["model"], line["version"], line["bytes_in"]) == ("kinds", 1, len(png(picture())))
    assert len(made) == 1
    assert logged(folder, made[0])["route"] == "/v1/models"


def logged(folder: Path, request_id: str) -> dict[str, object]:
    """The one line of a request. It is written after the answer has gone, so that it may come later than that."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        lines = [json.loads(line) for line in (folder / "access.jsonl").read_text().splitlines()]
        if found := [line for line in lines if line["request_id"] == request_id]:
            (line,) = found
            return line
        time.sleep(0.05)
    raise AssertionError(f"no line of {request_id}")


def test_a_body_that_trickles_in_is_a_408_and_its_connection_is_closed(client):
    url = client.base_url
    head = f"POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\nContent-Length: 1000\r\n\r\nabc"
    with socket.create_connection((url.host, url.port), timeout=30) as line:
        line.sendall(head.encode())

        answer = b"".join(iter(lambda: line.recv(4096), b""))

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"3 bytes of it had come" in answer


def test_requests_answers_and_batches_are_counted_for_prometheus(client):
    client.post("/v1/classify", content=png(picture()))
    port = ray.nodes()[0]["MetricsExportPort"]
    wanted = ("ray_glioray_requests_total", "ray_glioray_request_seconds_bucket", "ray_glioray_answers_total")
    wanted += ("ray_glioray_batch_images_bucket",)

    answered = ('model="kinds@1"', 'route="/v1/classify"', 'status="200"')
    missing, is_answered, give_up_at = set(wanted), False, time.monotonic() + 60
    while time.monotonic() < give_up_at and (missing or not is_answered):
        time.sleep(1)
        lines = httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
        missing = {name for name in wanted if not any(line.startswith(name) for line in lines)}
        is_answered = any(line.startswith(wanted) and all(label in line for label in answered) for line in lines)

    assert missing == set()
    assert is_answered


def test_a_rollout_and_its_way_back_lose_no_request_and_answer_with_the_version_they_name(client, registry, folder):
    first = bundle("kinds")
    changed = ModelBundle(first.config, {name: 2 * weights for name, weights in first.weights.items()})
    changed.save(folder / "second")
    right = {1: Predictor.load(bundle("kinds")), 2: Predictor.load(changed)}
    expected = {version: predictor.classify(picture()).probabilities for version, predictor in right.items()}
    assert Store(registry).publish(folder / "second", "kinds").version == 2
    versions, is_over = [], threading.Event()

    def ask():
        while not is_over.is_set():
            answer = client.post("/v1/classify", content=png(picture())).raise_for_status().json()
            assert answer["probabilities"] == pytest.approx(expected[answer["version"]], abs=1e-5)
            versions.append(answer["version"])

    with ThreadPoolExecutor(4) as pool, Client(str(client.base_url), KEY) as asking:
        askers = [pool.submit(ask) for _ in range(4)]
        try:
            change(Store(registry), "kinds", to=2)
            asking.wait_for_rollout("kinds", {2}, timeout_s=60)
            change(Store(registry), "kinds", back=True)
            asking.wait_for_rollout("kinds", {1}, timeout_s=60)
        finally:
            is_over.set()
        for asker in askers:
            asker.result()

    assert versions[0] == versions[-1] == 1
    assert set(versions) == {1, 2}


def test_a_key_is_replaced_without_a_restart(client, folder):
    (folder / "keys").write_text("ward:" + "n" * 32)
    time.sleep(1.1)

    assert client.get("/v1/models").status_code == 401
    assert client.get("/v1/models", headers={"x-api-key": "n" * 32}).status_code == 200
    (folder / "keys").write_text(f"ward:{KEY}\n")
    time.sleep(1.1)


def bundle(name: str) -> ModelBundle:
    torch.manual_seed(0)
    contents, model, preprocessing = MODELS[name]
    recipe = Recipe.from_values({"task": contents.task, "data": {"path": "x"}, "model": model, "loss": {}})
    channels = len(contents.channels)
    signature = Signature(channels, len(contents.outputs), preprocessing.image_size)
    config = BundleConfig(
        recipe=recipe.values(),
        signature=signature,
        contents=contents,
        preprocessing=preprocessing,
        normalization=Normalization(mean=(60.0,) * channels, std=(50.0,) * channels),
        data_fingerprint="0123456789ab",
        source_hash="5ca9",
        leak=None,
        epoch=1,
        versions={},
    )
    weights = models.build(recipe.model, signature).state_dict()
    if contents.task == "segmentation":
        # Fresh biases drown the image; without them its pixels decide, and each sign comes up.
        weights = {k: torch.zeros_like(v) if k.endswith("bias") else 3 * v for k, v in weights.items()}
    return ModelBundle(config, weights)


def picture(seed: int = 0) -> np.ndarray:
    rows, columns = np.mgrid[:60, :50]
    disk = np.hypot(rows - 30, columns - 25) < 20
    return (np.random.default_rng(seed).integers(60, 256, (1, 60, 50)) * disk).astype(np.uint8)


def volume(num_slices: int) -> np.ndarray:
    """(N,C,H,W)"""
    return np.stack([np.concatenate([picture(2 * number), picture(2 * number + 1)]) for number in range(num_slices)])


def npy(raw: np.ndarray) -> bytes:
    """As it is sent: (C,N,H,W)."""
    stream = io.BytesIO()
    np.save(stream, raw.swapaxes(0, 1))
    return stream.getvalue()


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels[0]).save(stream, "PNG")
    return stream.getvalue()
