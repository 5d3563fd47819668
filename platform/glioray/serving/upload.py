"""The body of a request, counted while it arrives, and the format that its first bytes say it has."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.types import Message

from glioray.data.image_file import NPY_MAGIC, what_it_seems
from glioray.serving.problems import ProblemError

BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*", b"BM", NPY_MAGIC)
UNNAMED = "the upload"


@dataclass(frozen=True)
class Upload:
    """The bytes of one image file, and what to call it in an error."""

    content: bytes
    name: str


async def read_upload(request: Request, max_bytes: int) -> Upload:
    """The image of a request: the body itself, or the part `file` of a multipart form.

    The format is told by the bytes; the request's content type only says whether it is a form.

    Raises:
        ProblemError: 413 too large, 400 empty or no part `file`, 415 no format that we read.
    """
    body = await _read_body(request, max_bytes)
    is_form = request.headers.get("content-type", "").startswith("multipart/form-data")
    upload = await _file_of_form(request, body) if is_form else Upload(body, UNNAMED)
    if not upload.content:
        raise ProblemError(400, "There is no image", "The body is empty: send the bytes of an image file.")
    if not _is_known(upload.content):
        raise ProblemError(
            415,
            "The format is not known",
            f"{upload.name}: {what_it_seems(upload.content)}; send PNG, JPEG, TIFF, BMP, WebP or .npy.",
        )
    return upload


async def _read_body(request: Request, max_bytes: int) -> bytes:
    """Stops reading at the first byte too many, whatever the declared length."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    async for chunk in request.stream():
        if len(body) + len(chunk) > max_bytes:
            raise _too_large(max_bytes)
        body += chunk
    return bytes(body)


async def _file_of_form(request: Request, body: bytes) -> Upload:
    """The part `file`, parsed from a body that is already in memory."""

    async def replay() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async with Request(request.scope, replay).form(max_files=1, max_fields=8) as form:
        part = form.get("file")
        if not isinstance(part, UploadFile):
            raise ProblemError(400, "There is no image", "The form has no part 'file': curl -F file=@image.png")
        return Upload(await part.read(), repr(part.filename or UNNAMED))


def _is_known(content: bytes) -> bool:
    return content.startswith(BEGINNINGS) or (content[:4] == b"RIFF" and content[8:12] == b"WEBP")


def _too_large(max_bytes: int) -> ProblemError:
    return ProblemError(413, "The body is too large", f"At most {max_bytes / 1e6:g} MB are read.")
