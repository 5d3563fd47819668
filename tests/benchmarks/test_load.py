"""The client of the load: what it reads, and what it counts."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from _load import LOST, WRONG, Loaded, Question, _read, load


def read(*pieces: bytes):
    async def go():
        reader = asyncio.StreamReader()
        for piece in pieces:
            reader.feed_data(piece)
        reader.feed_eof()
        return await _read(reader)

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", (200, b"hello", True)),
        (b"HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", (503, b"", False)),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            (200, b"abcde", True),
        ),
    ],
)
def test_an_answer_is_read_whole_by_its_length_or_in_chunks(answer, expected):
    assert read(answer) == expected


def test_an_answer_that_is_cut_off_is_lost():
    with pytest.raises(asyncio.IncompleteReadError):
        read(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")


def test_every_kind_of_failure_is_counted_and_only_right_answers_are_timed():
    """A server that answers right, wrong, with 503, and hangs up, in turn."""
    turns = iter([("200 OK", {"version": 1, "n": 1}), ("200 OK", {"version": 1, "n": 2}), ("503 Busy", {}), None] * 50)

    async def serve(reader, writer):
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            await reader.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
            if (turn := next(turns)) is None:
                break
            body = json.dumps(turn[1]).encode()
            writer.write(f"HTTP/1.1 {turn[0]}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()

    async def go():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            question = Question("/", b"abc", lambda answer: answer["n"] == 1)
            return await load(address, [question], 1, 0.5)

    loaded = asyncio.run(go())

    assert len(loaded.latencies) == loaded.versions[1] >= 1
    assert {WRONG, "503", f"{LOST}: IncompleteReadError"} <= set(loaded.failures)
    assert loaded.errors == sum(loaded.failures.values())


def test_the_longest_gap_begins_with_the_load():
    assert Loaded(began_at=10.0, ends=[14.0, 11.0, 11.5]).longest_gap_s == pytest.approx(2.5)
