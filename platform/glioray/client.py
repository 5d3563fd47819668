"""Asks a running service from Python: one image, or a volume with its mask as NIfTI.

    from glioray.client import Client

    with Client("http://127.0.0.1:8000") as client:
        print(client.classify("scan.png")["label"])
        found = client.segment_volume({"flair": "flair.nii.gz", "t1": "t1.nii.gz", ...}, mask="mask.nii.gz")
        print(found.volumes_ml)

Needs neither torch nor Ray.
"""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from glioray.errors import RequestError

Image = str | Path | bytes
Volume = Image | Mapping[str, str | Path]
Answer = dict[str, Any]
OnProgress = Callable[[int, int], None]
SHORTEST_WAIT_S, LONGEST_WAIT_S = 0.1, 2.0
MASK_TYPE = "application/gzip"


@dataclass(frozen=True)
class Segmented:
    """What the service said of a volume; `mask` is where its NIfTI was saved."""

    answer: Answer
    mask: Path | None

    @property
    def volumes_ml(self) -> dict[str, float | None]:
        """Of each label, then of each region; none where the scan does not say how far its voxels are apart."""
        parts = {**self.answer["labels"], **self.answer["regions"]}
        return {name: part["volume_ml"] for name, part in parts.items()}


class Client:
    """One service; close it, or use it in a `with`."""

    def __init__(self, url: str, key: str | None = None, timeout_s: float = 60) -> None:
        """Connects with the first question.

        Args:
            url: as `http://127.0.0.1:8000`.
            key: sent as `Authorization: Bearer`, where the service asks for one.
            timeout_s: for one request; a volume may take longer, since it is waited for as a job.
        """
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout_s)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connections."""
        self._http.close()

    def models(self) -> list[Answer]:
        """Each served model, the default one of a task first; raises as `classify`."""
        found: list[Answer] = self._ask("GET", "/v1/models").json()["models"]
        return found

    def wait_for_rollout(
        self, name: str, versions: set[int], on_progress: OnProgress | None = None, timeout_s: float = 300
    ) -> None:
        """Waits until every replica answers with these versions of a model, and with no other.

        Args:
            name: of the model.
            versions: the one that is served, and the canary where there is one.
            on_progress: called with the replicas that have followed, and all.
            timeout_s: for all of them together.

        Raises:
            RequestError: a replica cannot follow, or not in time; it says which and why.
        """
        wanted = {f"{name}@{version}" for version in versions}
        give_up_at = time.monotonic() + timeout_s
        while True:
            replicas: dict[str, Answer] = self._ask("GET", "/v1/replicas").json()["replicas"]
            behind = {
                replica: state
                for replica, state in replicas.items()
                if {model for model in state["models"] if model.partition("@")[0] == name} != wanted
            }
            if on_progress is not None:
                on_progress(len(replicas) - len(behind), len(replicas))
            if replicas and not behind:
                return
            for replica, state in behind.items():
                if state["trouble"]:
                    has = ", ".join(state["models"])
                    raise RequestError(f"replica {replica} goes on with {has}: {state['trouble']}")
            if time.monotonic() > give_up_at:
                raise RequestError(
                    f"{len(behind)} of {len(replicas)} replicas do not answer with {', '.join(sorted(wanted))} after "
                    f"{timeout_s:g} s: does the service follow this registry, and does it serve {name} by its name?"
                )
            time.sleep(SHORTEST_WAIT_S * 5)

    def classify(self, image: Image, model: str | None = None, explain: str | None = None) -> Answer:
        """`label`, `confidence` and `probabilities` of one image, by its path or as the bytes of its file.

        Args:
            image: of any format that the service reads.
            model: NAME, NAME@VERSION or NAME@ALIAS.
            explain: gradcam, or attention of a Vision Transformer: adds `explanation`, see `save_picture`.

        Raises:
            RequestError: the service refuses it, or cannot be reached.
        """
        answer: Answer = self._post("/v1/classify", image, {"model": model, "explain": explain}).json()
        return answer

    def segment(
        self, image: Image, model: str | None = None, scaled: bool = False, uncertainty: bool = False
    ) -> Answer:
        """`labels` with their areas and the `mask` as runs, of one slice with all channels; raises as `classify`.

        Args:
            image: TIFF with a page for each channel, .npy (channels, height, width), or DICOM for one channel.
            model: NAME, NAME@VERSION or NAME@ALIAS.
            scaled: the 8-bit pixels carry the scale of their volume.
            uncertainty: adds `uncertainty`, see `save_picture`, and `mean_uncertainty`.
        """
        wishes = {"scaled": scaled, "uncertainty": uncertainty}
        query = {"model": model, **{name: "true" if is_wished else None for name, is_wished in wishes.items()}}
        answer: Answer = self._post("/v1/segment", image, query).json()
        return answer

    def segment_volume(
        self,
        volume: Volume,
        mask: str | Path | None = None,
        model: str | None = None,
        channels: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> Segmented:
        """Waits for a volume as a job; interrupted, it takes the job back.

        Args:
            volume: a file (NIfTI, .npy, .npz, a zip of DICOM series or of NIfTI), or a NIfTI for each sequence.
            mask: where to save the mask, as .nii.gz in the grid of the scan.
            model: NAME, NAME@VERSION or NAME@ALIAS.
            channels: what the channels of one file are, in their order, with commas; none: as the model has them.
            on_progress: called with slices done, and slices in all.

        Raises:
            RequestError: as `classify`; or what was sent is a slice.
        """
        query = {"model": model, "channels": channels}
        response = self._post("/v1/segment", volume, query, {"Prefer": "respond-async"})
        if response.status_code != httpx.codes.ACCEPTED:
            raise RequestError(f"{self.url} took what was sent for a slice, not a volume: ask `segment` about it")
        job = response.headers["location"]
        try:
            self._wait(job, on_progress)
            answer = self._ask("GET", f"{job}/result").json()
            saved = None if mask is None else self._save(f"{job}/result", Path(mask))
        finally:
            with contextlib.suppress(RequestError):
                self._ask("DELETE", job)
        return Segmented(answer, saved)

    def _wait(self, job: str, on_progress: OnProgress | None) -> None:
        wait_s = SHORTEST_WAIT_S
        while True:
            status = self._ask("GET", job).json()
            if on_progress is not None:
                on_progress(status["slices_done"], status["slices"])
            if status["state"] not in ("queued", "running"):
                return  # a failed job's result is the problem
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    def _save(self, address: str, place: Path) -> Path:
        return _written(self._ask("GET", address, headers={"Accept": MASK_TYPE}).content, place)

    def _post(
        self, address: str, sent: Volume, query: Mapping[str, str | None], headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        params = {name: value for name, value in query.items() if value is not None}
        with contextlib.ExitStack() as stack:
            parts = {name: stack.enter_context(path.open("rb")) for name, path in _paths(sent)}
            body: dict[str, Any] = {"files": parts} if parts else {"content": sent}
            return self._ask("POST", address, params=params, headers=headers, **body)

    def _ask(self, method: str, address: str, **request: Any) -> httpx.Response:
        try:
            response = self._http.request(method, address, **request)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise RequestError(
                f"{self.url} cannot be asked ({reason}): is it the address of a running service?"
            ) from None
        if response.is_success:
            return response
        raise _refusal(response, self.url)


def save_picture(data_uri: str, place: str | Path) -> Path:
    """Where a picture of an answer, such as `answer["explanation"]["overlay"]`, now lies as PNG."""
    return _written(base64.b64decode(data_uri.partition(",")[2]), Path(place))


def _written(content: bytes, place: Path) -> Path:
    """The file, whole or not at all."""
    partial = place.with_name(f".{place.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(place)
    finally:
        partial.unlink(missing_ok=True)
    return place


def _paths(sent: Volume) -> Iterator[tuple[str, Path]]:
    """The parts of a form; none of bytes."""
    if isinstance(sent, Mapping):
        yield from ((name, Path(path)) for name, path in sent.items())
    elif not isinstance(sent, bytes):
        yield "file", Path(sent)


def _refusal(response: httpx.Response, url: str) -> RequestError:
    """A problem of the service in its own words; of something else that answers there, its first ones."""
    try:
        problem = response.json()
        text = f"{problem['title']} ({response.status_code}): {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        text = f"{url} answered {response.status_code}: {response.text[:200]}"
    wait = response.headers.get("retry-after", "")
    return RequestError(text, response.status_code, int(wait) if wait.isdigit() else None)
