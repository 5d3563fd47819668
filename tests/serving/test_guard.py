"""What stands around the API, over one that does nearly nothing."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import threading
import time
from collections.abc import AsyncIterator

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect

from glioray.serving import problems
from glioray.serving.access_log import open_log
from glioray.serving.guard import Guard, Rules
from glioray.serving.keys import KeyRing
from glioray.serving.metrics import Measured
from glioray.serving.visit import visit_of

KEY = "k" * 32
KEYS = KeyRing.parse([("", f"ward:{KEY}")])
HERE = {"base_url": "http://localhost:8000", "client": ("127.0.0.1", 5)}
VIEWER = "https://viewer.example.org"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(50)


class Counts:
    def __init__(self) -> None:
        self.all: list[Measured] = []

    def add(self, measured: Measured) -> None:
        self.all.append(measured)


@pytest.fixture
def api() -> FastAPI:
    api = FastAPI()
    problems.install(api)

    @api.post("/v1/ask")
    async def ask(request: Request) -> dict[str, int]:
        visit = visit_of(request.scope)
        visit.model, visit.version, visit.found = "kinds", 3, ("glioma",)
        return {"bytes": len(await request.body())}

    @api.get("/v1/slow")
    async def slow() -> None:
        await asyncio.sleep(30)

    @api.get("/v1/endless")
    async def endless() -> StreamingResponse:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"begun"
            await asyncio.sleep(30)

        return StreamingResponse(chunks())

    @api.get("/v1/broken")
    async def broken() -> None:
        raise ZeroDivisionError("secret")

    @api.get("/healthz")
    async def healthz() -> str:
        return "alive"

    return api


@pytest.fixture
def client_of(api):
    def make(client=HERE, **rules) -> TestClient:
        return TestClient(Guard(api, Rules(**rules)), raise_server_exceptions=False, **client)

    return make


@pytest.fixture
def log(tmp_path) -> tuple[logging.Logger, list]:
    """The logger, and what its file holds so far as values."""
    path = tmp_path / "access.jsonl"

    def lines() -> list:
        return [json.loads(line) for line in path.read_text().splitlines()]

    return open_log(str(path)), lines


@pytest.mark.parametrize("header", [{"authorization": f"Bearer {KEY}"}, {"x-api-key": KEY}])
def test_a_key_opens_in_either_header(client_of, header):
    assert client_of(keys=KEYS).post("/v1/ask", headers=header, content=b"abc").json() == {"bytes": 3}


@pytest.mark.parametrize(
    ("header", "title", "challenge"),
    [
        ({}, "The service asks for a key", 'Bearer realm="glioray"'),
        ({"authorization": f"Basic {KEY}"}, "The service asks for a key", 'Bearer realm="glioray"'),
        ({"x-api-key": KEY[:-1]}, "The key is not valid", 'Bearer realm="glioray", error="invalid_token"'),
        ({"x-api-key": "\xe9" * 32}, "The key is not valid", 'Bearer realm="glioray", error="invalid_token"'),
    ],
)
@pytest.mark.parametrize("path", ["/v1/ask", "/v1", "/v1/nothing"])
def test_without_a_valid_key_nothing_under_v1_is_answered(client_of, header, title, challenge, path):
    response = client_of(keys=KEYS).post(path, headers=[(k, v.encode("latin-1")) for k, v in header.items()])

    assert response.status_code == 401
    assert response.json()["title"] == title
    assert response.headers["www-authenticate"] == challenge
    assert KEY not in response.text


def test_a_key_is_asked_for_before_the_body_is_read(client_of):
    def body():
        raise AssertionError("was read")
        yield b""

    response = client_of(keys=KEYS).post("/v1/ask", content=body())

    assert response.status_code == 401
    assert response.headers["connection"] == "close"


def test_health_needs_no_key_and_keeps_its_connection(client_of):
    response = client_of(keys=KEYS).get("/healthz")

    assert response.status_code == 200
    assert "connection" not in response.headers


def test_with_keys_others_are_answered_under_any_name(client_of):
    client = client_of({"base_url": "http://scans.example.org", "client": ("192.0.2.7", 5)}, keys=KEYS)

    assert client.post("/v1/ask", headers={"x-api-key": KEY}).status_code == 200


@pytest.mark.parametrize("address", ["192.0.2.7", "testclient", "", "::ffff:192.0.2.7"])
@pytest.mark.parametrize("path", ["/v1/ask", "/healthz"])
def test_without_keys_another_machine_is_refused_whatever_it_says(client_of, address, path):
    response = client_of({"base_url": "http://localhost", "client": (address, 5)}).post(path)

    assert response.status_code == 403
    assert "no keys" in response.json()["detail"]


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "localhost", "127.0.0.1"])
def test_without_keys_the_loopback_names_are_answered(client_of, host):
    assert client_of().post("/v1/ask", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["rebound.example.org", "localhost.example.org:8000", "127.0.0.1.nip.io", "[::1", "", "a@127.0.0.2.evil"]
)
def test_without_keys_another_name_is_refused_since_it_may_be_rebound(client_of, host):
    response = client_of().post("/v1/ask", headers={"host": host})

    assert response.status_code == 421
    assert "Host is " in response.json()["detail"]


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://localhost:8000", 200), (VIEWER, 200), ("https://evil.example.org", 403), ("null", 403)],
)
def test_without_keys_a_page_of_another_origin_is_refused(client_of, origin, status):
    response = client_of(allowed_origins=(VIEWER,)).post("/v1/ask", headers={"origin": origin})

    assert response.status_code == status


def test_no_page_elsewhere_may_read_answers_by_default(client_of):
    asks = {"origin": VIEWER, "access-control-request-method": "POST"}
    client = client_of(keys=KEYS)

    assert client.options("/v1/ask", headers=asks).status_code == 401
    answered = client.post("/v1/ask", headers={"origin": VIEWER, "x-api-key": KEY})
    assert not [name for name in answered.headers if name.startswith("access-control")]


def test_a_page_that_is_named_may_ask_with_a_key_and_another_may_not(client_of):
    client = client_of(keys=KEYS, allowed_origins=(VIEWER,))
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "x-api-key"}

    allowed = client.options("/v1/ask", headers={"origin": VIEWER, **asks})
    refused = client.options("/v1/ask", headers={"origin": "https://evil.example.org", **asks})

    assert allowed.headers["access-control-allow-origin"] == VIEWER
    assert "X-API-Key" in allowed.headers["access-control-allow-headers"]
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in refused.headers
    assert client.post("/v1/ask", headers={"origin": VIEWER}).headers["access-control-allow-origin"] == VIEWER


@pytest.mark.parametrize("path", ["/healthz", "/v1/nothing", "/v1/broken"])
def test_every_answer_has_the_safe_headers(client_of, path):
    headers = client_of().get(path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'; frame-ancestors 'none'" in headers["content-security-policy"]


def test_a_request_id_is_taken_over_into_header_and_problem(client_of):
    response = client_of().get("/v1/nothing", headers={"x-request-id": "ward-7.2026_1"})

    assert response.headers["x-request-id"] == response.json()["request_id"] == "ward-7.2026_1"


@pytest.mark.parametrize("asked", [None, "", "a b", "x" * 129, '"}\\n{"status": 200', "name\xe9"])
def test_a_request_id_that_is_none_or_not_sane_is_replaced(client_of, asked):
    headers = [] if asked is None else [("x-request-id", asked.encode("latin-1"))]

    response = client_of().get("/v1/nothing", headers=headers)

    assert re.fullmatch("[0-9a-f]{32}", response.headers["x-request-id"])
    assert response.json()["request_id"] == response.headers["x-request-id"]


def test_an_id_that_the_server_sends_itself_is_not_sent_twice(client_of):
    client = client_of(server_sends_id=True)

    assert "x-request-id" not in client.get("/healthz", headers={"x-request-id": "given"}).headers
    assert "x-request-id" in client.get("/healthz", headers={"x-request-id": "not sane"}).headers


def test_an_answer_that_takes_too_long_is_a_503(client_of):
    response = client_of(timeout_s=0.05).get("/v1/slow")

    assert response.status_code == 503
    assert "none 0.05 s after the request began" in response.json()["detail"]


def test_a_broken_route_tells_nothing_of_itself(client_of):
    response = client_of().get("/v1/broken")

    assert response.status_code == 500
    assert "secret" not in response.text


def test_the_log_has_a_line_a_request_and_nothing_of_its_content(client_of, log):
    logger, lines = log
    client = client_of(keys=KEYS, log=logger)

    client.post("/v1/ask?model=kinds", headers={"x-api-key": KEY, "x-request-id": "r1"}, content=PNG)
    client.post("/v1/ask", files={"file": ("Jane Doe 1970.png", PNG)})
    client.get("/Jane/Doe")

    asked, refused, lost = lines()
    assert set(asked) == {
        *("time", "request_id", "key", "method", "route", "status", "model", "version", "ms", "bytes_in")
    }
    assert (asked["request_id"], asked["key"], asked["route"], asked["status"]) == ("r1", "ward", "/v1/ask", 200)
    assert (asked["model"], asked["version"], asked["bytes_in"], asked["method"]) == ("kinds", 3, len(PNG), "POST")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", asked["time"])
    assert (refused["key"], refused["route"], refused["status"], refused["bytes_in"]) == (None, "/v1/ask", 401, 0)
    assert (lost["route"], lost["status"]) == (None, 404)
    assert "Jane" not in json.dumps([asked, refused, lost])


def test_a_client_that_goes_away_is_no_error_of_ours(api, log, caplog):
    logger, lines = log
    messages = [{"type": "http.request", "body": b"ab", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        pass

    scope = {"type": "http", "method": "POST", "path": "/v1/ask", "query_string": b"", "client": ("127.0.0.1", 5)}
    scope["headers"] = [(b"host", b"localhost"), (b"content-length", b"9")]
    asyncio.run(Guard(api, Rules(log=logger))(scope, receive, send))

    (line,) = lines()
    assert (line["status"], line["bytes_in"]) == (499, 2)
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_requests_are_counted_by_route_model_and_status_with_few_values(client_of):
    counts = Counts()
    client = client_of(metrics=counts)

    client.post("/v1/ask")
    client.get("/made-up-1")
    client.get("/made-up-2")

    requests = [measured.tags for measured in counts.all if measured.name == "glioray_requests"]
    nowhere = {"route": "none", "model": "none", "status": "404"}
    assert requests == [{"route": "/v1/ask", "model": "kinds@3", "status": "200"}, nowhere, nowhere]
    assert [m.tags for m in counts.all if m.name == "glioray_answers"] == [{"model": "kinds@3", "found": "glioma"}]


def test_a_websocket_is_refused(client_of):
    with pytest.raises(WebSocketDisconnect) as refused, client_of().websocket_connect("/v1/ask"):
        pass
    assert refused.value.code == 1008


@pytest.fixture
def address(api):
    """A real server: a body that trickles in and a connection that is closed exist only there."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(Guard(api, Rules(timeout_s=0.5)), log_level="critical"))
        thread = threading.Thread(target=server.run, args=([bound],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield bound.getsockname()
        server.should_exit = True
        thread.join(10)


def test_a_body_that_trickles_in_is_a_408_and_its_connection_is_closed(address):
    with socket.create_connection(address, timeout=5) as line:
        line.sendall(b"POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc")

        answer = b"".join(iter(lambda: line.recv(4096), b""))

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in head.lower()
    assert "3 bytes of it had come" in json.loads(body)["detail"]


def test_an_answer_that_is_never_whole_is_cut_off(address):
    with socket.create_connection(address, timeout=5) as line:
        line.sendall(b"GET /v1/endless HTTP/1.1\r\nHost: localhost\r\n\r\n")

        answer = b"".join(iter(lambda: line.recv(4096), b""))

    assert b"begun" in answer
    assert not answer.endswith(b"0\r\n\r\n")


def test_a_large_body_that_is_refused_early_still_gets_its_answer(address):
    with socket.create_connection(address, timeout=5) as line:
        head = b"POST /v1/ask HTTP/1.1\r\nHost: evil.example.org\r\nContent-Length: 5000000\r\n\r\n"
        line.sendall(head + bytes(200_000))

        assert line.recv(4096).startswith(b"HTTP/1.1 421 ")
