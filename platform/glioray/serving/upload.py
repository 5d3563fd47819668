"""The body of a request, counted while it arrives, and the format that its first bytes say it has."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from glioray.data.image_file import what_it_seems
from glioray.serving.kinds import READ, READ_AS_VOLUME, is_volume, kind_of
from glioray.serving.problems import ProblemError, come_back

UNNAMED = "the upload"
FILE = "file"
MOST_PARTS, MOST_FIELDS = 16, 8


@dataclass(frozen=True)
class Upload:
    """The bytes of one image file, and what to call it in an error."""

    content: bytes
    name: str


@dataclass(frozen=True)
class Sent:
    """What came with a request: one file under `file`, or a file for each part of a form, named for its sequence.

    `order` says what the channels of one file are, in their order; empty: they are in the model's.
    """

    parts: dict[str, Upload]
    order: tuple[str, ...] = ()

    @property
    def is_one_file(self) -> bool:
        """Whether it is a bare body, or a form with the part `file`."""
        return set(self.parts) == {FILE}

    @property
    def is_volume(self) -> bool:
        """Whether it is a volume and not a slice; raises as `kinds.is_volume`."""
        return not self.is_one_file or is_volume(self.parts[FILE].content, self.parts[FILE].name)

    @property
    def num_bytes(self) -> int:
        """Of all files."""
        return sum(len(upload.content) for upload in self.parts.values())

    def slice_file(self) -> Upload:
        """The one file, which holds a slice.

        Raises:
            ProblemError: 422, it is a volume.
        """
        if self.is_volume:
            raise ProblemError(
                422,
                "A volume was sent where a slice was wanted",
                f"{', '.join(upload.name for upload in self.parts.values())}: this is answered for one slice. Send it "
                f"as {READ}; a volume goes to /v1/segment.",
            )
        return self.parts[FILE]


class Room:
    """Memory of this process for large bodies while they arrive; used on one event loop."""

    def __init__(self, num_bytes: int, retry_after_s: int) -> None:
        self._num_bytes = num_bytes
        self._retry_after_s = retry_after_s
        self._taken = 0

    @contextmanager
    def taken(self, num_bytes: int) -> Iterator[None]:
        """Keeps some of it.

        Raises:
            ProblemError: 503, there is not so much left.
        """
        if self._taken + num_bytes > self._num_bytes:
            cause = f"volumes of {self._taken / 1e6:,.0f} MB arrive already"
            raise come_back("The service is busy", cause, "volume", self._retry_after_s)
        self._taken += num_bytes
        try:
            yield
        finally:
            self._taken -= num_bytes


async def read_sent(request: Request, max_bytes: int, order: str | None = None) -> Sent:
    """The files of a request: the body itself, or the parts of a multipart form.

    The format is told by the bytes; the request's content type only says whether it is a form.

    Args:
        request: its body is read here.
        max_bytes: of the body.
        order: names of the channels of one file, with commas.

    Raises:
        ProblemError: 413 too large, 400 empty or without files, 415 no format that we read.
    """
    body = await _read_body(request, max_bytes)
    is_form = request.headers.get("content-type", "").startswith("multipart/form-data")
    parts = await _files_of_form(request, body) if is_form else {FILE: Upload(body, UNNAMED)}
    for upload in parts.values():
        if not upload.content:
            raise ProblemError(400, "There is no image", f"{upload.name} is empty: send the bytes of an image file.")
        kind = kind_of(upload.content)
        if kind != "nifti" and FILE not in parts:
            raise ProblemError(
                400,
                "There is no image",
                f"{upload.name} is no NIfTI volume, and the form has no part 'file'. Send one part with an image, "
                f"curl -F file=@image.png, or a NIfTI for each sequence, curl -F flair=@flair.nii.gz -F t1=@t1.nii.gz",
            )
        if kind is None:
            raise ProblemError(
                415,
                "The format is not known",
                f"{upload.name}: {what_it_seems(upload.content)}; send {READ}, or for a volume {READ_AS_VOLUME}.",
            )
    return Sent(parts, tuple(word.strip() for word in (order or "").split(",") if word.strip()))


async def _read_body(request: Request, max_bytes: int) -> bytes:
    """Stops reading at the first byte too many, whatever the declared length."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    async for chunk in request.stream():
        if len(body) + len(chunk) > max_bytes:
            raise _too_large(max_bytes)
        body += chunk
    return bytes(body)


async def _files_of_form(request: Request, body: bytes) -> dict[str, Upload]:
    """The parts that are files, by their names, parsed from a body that is already in memory."""

    async def replay() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(request.headers, replay(), max_files=MOST_PARTS, max_fields=MOST_FIELDS)
    parser.spool_max_size = len(body) + 1  # or parts of more than a megabyte would lie on the disk
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        raise ProblemError(400, "The form cannot be read", f"{error}: curl -F file=@image.png") from None
    return await _read_parts(form)


async def _read_parts(form: FormData) -> dict[str, Upload]:
    parts: dict[str, Upload] = {}
    for name, part in form.multi_items():
        if not isinstance(part, UploadFile):
            raise ProblemError(
                400,
                "The form cannot be read",
                f"Its part {name!r} is no file: a file is sent as curl -F file=@image.png, a wish in the address, as "
                "?model=NAME.",
            )
        if name in parts:
            raise ProblemError(400, "The form cannot be read", f"It has two parts {name!r}; send one file for each.")
        parts[name] = Upload(await part.read(), repr(part.filename or UNNAMED))
    if not parts or (FILE in parts and len(parts) > 1):
        raise ProblemError(
            400,
            "There is no image",
            f"The form has {'no file' if not parts else 'a part file and others'}: send one part 'file', or one for "
            "each sequence.",
        )
    return parts


def _too_large(max_bytes: int) -> ProblemError:
    return ProblemError(413, "The body is too large", f"At most {max_bytes / 1e6:g} MB are read.")
