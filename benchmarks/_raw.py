"""HTTP by hand over a socket, for what a well-behaved client would not send."""

from __future__ import annotations

import contextlib
import json
import select
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import httpx
from _served import Service

LONGEST_WORDS = 90


@dataclass(frozen=True)
class Told:
    """What a client was told: the status (none: the connection was closed or left without a word) and the words."""

    status: int | None
    words: str
    headers: str = ""

    @classmethod
    def of(cls, response: httpx.Response) -> Told:
        return cls(response.status_code, words_of(response.text), str(dict(response.headers)))


def words_of(body: str) -> str:
    """The title and the detail of a problem, the label of an answer, or the body itself, cut to one short line."""
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if isinstance(content, dict) and "detail" in content:
        body = f"{content.get('title')}: {content['detail']}"
    elif isinstance(content, dict) and "notice" in content:
        body = "an answer"
    line = " ".join(body.split())
    return line if len(line) <= LONGEST_WORDS else f"{line[: LONGEST_WORDS - 1]}…"


def head(service: Service, target: str, *lines: str | bytes, method: str = "GET", key: bool = True) -> bytes:
    """The first line and the headers of a request, with the service's key unless `key` is false."""
    own = [f"Host: {service.address[0]}", *(f"{name}: {value}" for name, value in service.headers.items() if key)]
    encoded = [line if isinstance(line, bytes) else line.encode("latin-1") for line in (*own, *lines)]
    return f"{method} {target} HTTP/1.1\r\n".encode("latin-1") + b"\r\n".join(encoded) + b"\r\n\r\n"


def exchange(service: Service, pieces: Iterable[bytes], timeout_s: float = 20) -> tuple[Told, int]:
    """Sends piece by piece until all is sent or an answer comes, and waits for it; with how many bytes were taken."""
    sent = 0
    with socket.create_connection(service.address, timeout_s) as line, contextlib.suppress(OSError):
        for piece in pieces:
            if has_answer(line):
                break
            with contextlib.suppress(ConnectionError):  # closed behind an answer that can still be read
                line.sendall(piece)
                sent += len(piece)
                continue
            break
        return told(read_answer(line)), sent
    return Told(None, f"nothing in {timeout_s:g} s, or a reset"), sent


def has_answer(line: socket.socket) -> bool:
    return bool(select.select([line], [], [], 0)[0])


def read_answer(line: socket.socket) -> bytes:
    """The head of an answer and as much of its body as its length says, or until the end."""
    answer = b""
    while not _is_whole(answer):
        received = line.recv(65_536)
        if not received:
            break
        answer += received
    return answer


def told(answer: bytes) -> Told:
    """Of the bytes of an answer."""
    head_bytes, _, body = answer.partition(b"\r\n\r\n")
    words = head_bytes.split(b" ", 2)
    if len(words) < 2 or not words[1].isdigit():
        return Told(None, "closed without a word" if not answer else words_of(answer.decode("latin-1")))
    return Told(int(words[1]), words_of(body.decode(errors="replace")), head_bytes.decode("latin-1"))


def _is_whole(answer: bytes) -> bool:
    head_bytes, end, body = answer.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head_bytes.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(end and lengths) and len(body) >= int(lengths[0])
