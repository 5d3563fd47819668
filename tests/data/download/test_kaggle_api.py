from __future__ import annotations

import contextlib
import errno
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import requests

from glioray.data.download import kaggle_api
from glioray.data.download.datasets import dataset
from glioray.errors import DataError

LGG = dataset("lgg")
CONTENT = bytes(range(256)) * 4096 * 4  # the package writes a MiB at a time
CUT = 5 * len(CONTENT) // 8


class FakeApi:
    """Writes what it is told and then fails as it is told."""

    def __init__(self, content=b"", error=None):
        self.content, self.error, self.asked = content, error, []

    def dataset_download_files(self, dataset, path=None, force=False, quiet=True, unzip=False):
        sys.stdout.write("Dataset URL: https://www.kaggle.com\n")
        self.asked.append((dataset, force, quiet, unzip))
        if self.content:
            (Path(path) / "lgg-mri-segmentation.zip").write_bytes(self.content)
        if self.error is not None:
            raise self.error


def quiet(stage, done, total):
    pass


def http_error(status):
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError("no", response=response)


def test_the_counted_version_is_fetched_and_nothing_is_printed(tmp_path, capsys) -> None:
    api = FakeApi(b"zip")
    assert kaggle_api.fetch(api, LGG, tmp_path, quiet).read_bytes() == b"zip"
    assert api.asked == [("mateuszbuda/lgg-mri-segmentation/2", False, True, False)]
    assert capsys.readouterr().out == ""


def test_progress_is_told_in_megabytes(tmp_path) -> None:
    told = []
    kaggle_api.fetch(FakeApi(bytes(3_000_000)), LGG, tmp_path, lambda *step: told.append(step))
    assert told[-1] == ("download MB", 3, 3)


@pytest.mark.parametrize(
    ("error", "match"),
    [
        (http_error(401), "Kaggle refuses the token .* https://www.kaggle.com/settings/api"),
        (http_error(403), "Kaggle refuses the token"),
        (http_error(404), "Kaggle answers 404 for https://www.kaggle.com/datasets/mateuszbuda/lgg-mri-segmentation"),
        (http_error(503), "Kaggle answers 503 .*try again later"),
        (requests.ConnectionError("no route"), r"Kaggle cannot be reached \(no route\)"),
        (requests.Timeout(), r"Kaggle cannot be reached \(Timeout\)"),
        (ValueError("size (3) does not match"), r"did not announce \(size \(3\) does not match\)"),
        (OSError(errno.ENOSPC, "full"), "no space left for lgg-mri-segmentation.zip"),
        (SystemExit(1), "Kaggle refuses the token"),
        (None, "fetched nothing"),
    ],
)
def test_every_failure_of_the_package_says_in_one_line_what_to_do(tmp_path, error, match) -> None:
    with pytest.raises(DataError, match=match) as raised:
        kaggle_api.fetch(FakeApi(error=error), LGG, tmp_path, quiet)
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_without_a_token_the_package_is_not_even_imported(tmp_path, monkeypatch) -> None:
    no_token(monkeypatch, tmp_path)
    monkeypatch.setitem(sys.modules, "kaggle", None)
    with pytest.raises(DataError, match="no Kaggle token is found"):
        kaggle_api.connect(LGG, tmp_path)


def no_token(monkeypatch, home):
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))


class Kaggle(BaseHTTPRequestHandler):
    """The two addresses that the package uses of Kaggle; the first download breaks off half-way."""

    ranges: ClassVar[list[str | None]] = []

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(302)
        self.send_header("Location", "/file")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        asked = self.headers["Range"]
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        is_first = not self.ranges
        self.ranges.append(asked)
        self.send_response(206 if asked else 200)
        self.send_header("ETag", '"one"')
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(CONTENT[start : CUT if is_first else None])

    def log_message(self, *args):
        pass


@pytest.fixture
def real_api(tmp_path, monkeypatch):
    """The client of the `kaggle` package, talking to a Kaggle on this machine."""
    no_token(monkeypatch, tmp_path / "home")
    monkeypatch.setenv("KAGGLE_USERNAME", "somebody")
    monkeypatch.setenv("KAGGLE_KEY", "secret")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(Kaggle, "ranges", [])
    api = kaggle_api.connect(LGG, tmp_path)
    from kagglesdk import kaggle_env

    server = ThreadingHTTPServer(("127.0.0.1", 0), Kaggle)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setitem(
        kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, f"http://127.0.0.1:{server.server_port}"
    )
    yield api
    server.shutdown()
    server.server_close()


def test_a_download_that_was_killed_half_way_goes_on_from_there(real_api, tmp_path, monkeypatch) -> None:
    def interrupt(seconds):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(time, "sleep", interrupt)  # where the package waits before it tries again
        with pytest.raises(KeyboardInterrupt):
            kaggle_api.fetch(real_api, LGG, tmp_path, quiet)
    half = (tmp_path / LGG.archive_name).stat().st_size
    assert half == len(CONTENT) // 2
    archive = kaggle_api.fetch(real_api, LGG, tmp_path, quiet)
    assert Kaggle.ranges[-1] == f"bytes={half}-"
    assert archive.read_bytes() == CONTENT
    assert [path.name for path in tmp_path.glob("*.kaggle-partial")] == []


def test_a_kaggle_that_is_not_there_is_one_line(real_api, tmp_path, monkeypatch) -> None:
    from kagglesdk import kaggle_env

    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, "http://127.0.0.1:9")
    with pytest.raises(
        DataError, match=r"Kaggle cannot be reached \(.*refused\)\. Once it can, the same command goes on"
    ):
        kaggle_api.fetch(real_api, LGG, tmp_path, quiet)
    assert list(tmp_path.glob("*.zip*")) == []
