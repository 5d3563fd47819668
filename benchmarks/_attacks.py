"""The attacks, one by one: what is sent, and what the client was told."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
from _bombs import (
    PICKLE,
    claimed_frames,
    dicom_claiming,
    dicom_nested,
    dicom_of_frames,
    nifti_bomb,
    nifti_header,
    npy_of_objects,
    npy_with,
    overlapping_zip,
    png_claiming,
    tiff_claiming,
    trickle,
    zip_bomb,
)
from _good_files import SIDE_PX, dicom, zipped
from _loris import trickle as trickle_lines
from _raw import Told, exchange, head
from _served import KEYS, Service

GB, MB = 10**9, 10**6
CLASSIFY, SEGMENT = "/v1/classify", "/v1/segment"
LARGE_BODY_BYTES = 300 * MB
JOB_WITHIN_S = 90


@dataclass(frozen=True)
class Field:
    """Where the attacks take place; `marker` is a folder that only code of a pickle would make."""

    service: Service
    good: Mapping[str, bytes]
    marker: Path
    trickle_s: float


Attack = Callable[[Field], Told]


def sent(path: str, content: Callable[[Field], bytes]) -> Attack:
    """A bare body to a path."""

    def attack(field: Field) -> Told:
        with field.service.client() as client:
            return Told.of(client.post(path, content=content(field)))

    return attack


def as_job(content: Callable[[Field], bytes]) -> Attack:
    """A volume as a job, and what became of it."""

    def attack(field: Field) -> Told:
        with field.service.client() as client:
            response = client.post(SEGMENT, content=content(field), headers={"Prefer": "respond-async"})
            if response.status_code != 202:
                return Told.of(response)
            give_up_at, address = time.monotonic() + JOB_WITHIN_S, response.headers["location"]
            while client.get(address).json()["state"] in ("queued", "running"):
                if time.monotonic() > give_up_at:
                    client.delete(address)
                    return Told(None, f"not done after {JOB_WITHIN_S} s")
                time.sleep(0.1)
            return Told.of(client.get(f"{address}/result"))

    return attack


def asked(target: str, *lines: str | bytes, key: bool = True, method: str = "GET") -> Attack:
    """A request without a body, as it is written here."""
    return lambda field: exchange(field.service, [head(field.service, target, *lines, key=key, method=method)])[0]


def large_body(path: str, is_length_told: bool) -> Attack:
    """How much of it was taken stands in the words."""

    def attack(field: Field) -> Told:
        length = f"Content-Length: {LARGE_BODY_BYTES}" if is_length_told else "Transfer-Encoding: chunked"
        pieces = trickle(LARGE_BODY_BYTES)
        framed = pieces if is_length_told else (b"%x\r\n" % len(piece) + piece + b"\r\n" for piece in pieces)
        start = head(field.service, path, length, method="POST")
        answer, num_sent = exchange(field.service, (piece for part in ([start], framed) for piece in part))
        return Told(answer.status, f"after {num_sent / MB:.0f} MB: {answer.words}")

    return attack


def slow(lines: tuple[str, ...], is_head_whole: bool, drop: bytes) -> Attack:
    """50 connections at once that trickle, in their headers or in their bodies."""

    def attack(field: Field) -> Told:
        start = head(field.service, CLASSIFY, *lines, method="POST")
        return trickle_lines(field.service, start if is_head_whole else start[:-2], drop, field.trickle_s)

    return attack


def injected(value: bytes) -> Attack:
    """As X-Request-Id; the answer must have no header of ours."""

    def attack(field: Field) -> Told:
        answer, _ = exchange(field.service, [head(field.service, "/v1/models", b"X-Request-Id: " + value)])
        is_in = "\r\nx-evil:" in answer.headers.lower()
        return Told(answer.status, f"header injected: {'YES' if is_in else 'no'}; {answer.words}")

    return attack


def endless_headers(num_bytes: int) -> Attack:
    """One after the other, without a key and without the empty line that ends them."""

    def attack(field: Field) -> Told:
        start, line = head(field.service, "/v1/models", key=False)[:-2], b"X-A: " + b"b" * 8000 + b"\r\n"
        pieces = (piece for part in ([start], [line] * (num_bytes // len(line))) for piece in part)
        answer, num_sent = exchange(field.service, pieces, timeout_s=5)
        return Told(answer.status, f"after {num_sent / MB:.0f} MB: {answer.words}")

    return attack


def pickled(content: Callable[[bytes], bytes], path: str) -> Attack:
    """A pickle that makes a folder where it is run."""

    def attack(field: Field) -> Told:
        pickle = PICKLE % str(field.marker).encode()
        with field.service.client() as client:
            answer = Told.of(client.post(path, content=content(pickle)))
        return Told(answer.status, f"run: {'YES' if field.marker.exists() else 'no'}; {answer.words}")

    return attack


def other_name(field: Field) -> Told:
    """The key of one name under the name of the other, and the bare name."""
    answers = []
    for key in (f"ward:{KEYS['clinic']}", "ward", f"{KEYS['ward'][:-1]}c"):
        answers.append(httpx.get(f"{field.service.url}/v1/models", headers={"X-API-Key": key}))
    statuses = {answer.status_code for answer in answers}
    return Told(max(statuses) if len(statuses) == 1 else None, Told.of(answers[0]).words)


def form_of(content: bytes) -> Attack:
    """A form with one part."""

    def attack(field: Field) -> Told:
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        start = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        with field.service.client() as client:
            return Told.of(client.post(CLASSIFY, content=start + content + b"\r\n--x--\r\n", headers=kind))

    return attack


def frames(num_frames: int) -> Callable[[Field], bytes]:
    """A DICOM of so many frames that say nothing."""
    slice_ = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    return lambda _: dicom_of_frames(dicom(slice_, "t1", 0, claimed_frames(num_frames)), num_frames)


def _same(content: bytes) -> Callable[[Field], bytes]:
    return lambda _: content


UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
ATTACKS: dict[str, Attack] = {
    "zip bomb: 10 GB in 10 MB": sent(SEGMENT, lambda _: zip_bomb(10 * GB)),
    "zip bomb that says 50 MB": sent(SEGMENT, lambda _: zip_bomb(10 * GB, 50 * MB)),
    "zip of zips": sent(SEGMENT, lambda _: zipped({f"{number}.zip": zip_bomb(GB) for number in range(8)})),
    "overlapping zip: 900 MB in 20 kB": sent(SEGMENT, lambda _: overlapping_zip(60, 15 * MB)),
    "overlapping zip: 60 MB in 7 kB": sent(SEGMENT, lambda _: overlapping_zip(60, MB)),
    "NIfTI gzip bomb: says 16^3, has 10 GB": sent(SEGMENT, lambda _: nifti_bomb((16, 16, 16), 10 * GB)),
    "NIfTI gzip, all voxels that are allowed": as_job(
        lambda _: nifti_bomb((362, 362, 256, 4), 269 * MB, bytes(range(128)))
    ),
    "NIfTI header: 30000^3": sent(SEGMENT, lambda _: nifti_header((30_000, 30_000, 30_000)) + bytes(1000)),
    "PNG header: 100,000 x 100,000": sent(CLASSIFY, lambda _: png_claiming(10**5, 10**5)),
    "TIFF: 2^31 x 2^31": sent(CLASSIFY, lambda _: tiff_claiming(2**31, 2**31)),
    ".npy: header nested 5,000 deep": sent(CLASSIFY, lambda _: npy_with(b"-" * 5000 + b"1", bytes(9))),
    ".npy with a pickled object": pickled(npy_of_objects, CLASSIFY),
    "pickle": pickled(lambda pickle: pickle, CLASSIFY),
    "HDF5": sent(CLASSIFY, _same(b"\x89HDF\r\n\x1a\n" + bytes(2000))),
    "DICOM: pixels of 4 GB": sent(CLASSIFY, lambda field: dicom_claiming(field.good["DICOM"])),
    "DICOM: sequences 20,000 deep": sent(CLASSIFY, lambda field: dicom_nested(field.good["DICOM"], 20_000)),
    "DICOM: 200,000 frames in 1.6 MB": sent(CLASSIFY, frames(200_000)),
    "DICOM: 2,000 frames in 20 kB": sent(SEGMENT, frames(2000)),
    "form: 20 MB of line ends": form_of(b"\r\n" * 10 * MB),
    "form: 20 MB of \\r": form_of(b"\r" * 20 * MB),
    "300 MB, told, to classify": large_body(CLASSIFY, True),
    "300 MB, told, to segment": large_body(SEGMENT, True),
    "300 MB, chunked, to classify": large_body(CLASSIFY, False),
    "300 MB, chunked, to segment": large_body(SEGMENT, False),
    "slow headers, 50 at once": slow((), False, b"X-A: b\r\n"),
    "slow bodies, 50 at once": slow(("Content-Length: 100000",), True, b"a"),
    "no key": asked("/v1/models", key=False),
    "wrong key": asked("/v1/models", "Authorization: Bearer " + "x" * 32, key=False),
    "key under another name": other_name,
    "path in ?model=": asked("/v1/classify?model=../../etc/passwd", "Content-Length: 0", method="POST"),
    "path in a card's address": asked("/v1/models/..%2f..%2fetc%2fpasswd/card"),
    "path with dots": asked("/v1/models/../../../etc/passwd"),
    "X-Request-Id with a line end": injected(b"a\r\n X-Evil: 1"),
    "X-Request-Id with a bare \\n": injected(b"a\nX-Evil: 1"),
    "X-Request-Id, percent-coded": injected(b"a%0d%0aX-Evil: 1"),
    "Host that is none": asked("/v1/nothing", "Host: [::1"),
    "length and chunked together": asked("/v1/models", "Content-Length: 5", "Transfer-Encoding: chunked"),
    "10,000 query parameters": asked("/v1/models?" + "&".join(f"a{number}=1" for number in range(10_000))),
    "header of 1 MB": asked("/v1/models", "X-Long: " + "a" * MB),
    "headers without end, 50 MB": endless_headers(50 * MB),
    "websocket": asked("/v1/models", *UPGRADE, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
}
