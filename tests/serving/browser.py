"""A real browser, told what to do over the Chrome DevTools Protocol, and a server for it to look at."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import uvicorn
from starlette.types import ASGIApp
from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
PATIENCE_S = 30.0
LISTENED = ("Page", "Network", "Runtime", "Log")
KEYS = {"ArrowRight": 39, "ArrowLeft": 37, "ArrowUp": 38, "ArrowDown": 40}
DRAG_COPY = 1


def find_browser() -> str | None:
    """The program, where there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def started(program: str, folder: Path, *flags: str) -> Iterator[Browser]:
    """A headless browser with a profile of its own in a folder; it is ended with the context."""
    command = [program, *FLAGS, *flags, f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield Browser(_address(process, folder / "DevToolsActivePort"))
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)


@contextmanager
def running(app: ASGIApp) -> Iterator[str]:
    """The address of an app that uvicorn serves on a free port of this machine, in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        _wait(lambda: server.started, lambda: "the server did not start")
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)


class Browser:
    """Opens tabs."""

    def __init__(self, address: str) -> None:
        self._address = address

    @contextmanager
    def tab(self, url: str, width: int = 1280, height: int = 900) -> Iterator[Tab]:
        """A tab at a page that has been read whole; closed with the context."""
        target = httpx.put(f"{self._address}/json/new?about:blank").json()
        with connect(target["webSocketDebuggerUrl"], max_size=None, ping_interval=None) as socket:
            tab = Tab(socket)
            tab.call(
                "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
            )
            tab.call("Emulation.setScrollbarsHidden", hidden=True)
            for domain in LISTENED:
                tab.call(f"{domain}.enable")
            tab.call("Page.navigate", url=url)
            tab.wait("document.readyState === 'complete'")
            yield tab
        httpx.get(f"{self._address}/json/close/{target['id']}")


class Tab:
    """A page, what is done to it and what it did."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol and its result; events that come meanwhile are kept."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE_S))
            if message.get("id") == self._number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self.events.append(message)

    def run(self, script: str) -> Any:
        """The value of an expression in the page, awaited where it is a promise."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, f"{script}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def wait(self, script: str) -> None:
        """Until an expression is true."""
        _wait(
            lambda: bool(self.run(script)),
            lambda: f"never true: {script}; the page says {self.run('document.body.innerText')}",
        )

    def text(self, selector: str) -> str:
        """What an element says."""
        return str(self.run(f"document.querySelector({selector!r}).textContent"))

    def texts(self, selector: str) -> list[str]:
        """What each of the elements says."""
        return list(self.run(f"[...document.querySelectorAll({selector!r})].map((one) => one.textContent)"))

    def is_shown(self, selector: str) -> bool:
        """Whether an element takes any room."""
        return bool(self.run(f"document.querySelector({selector!r})?.checkVisibility() ?? false"))

    def click(self, selector: str) -> None:
        """A click of the mouse into the middle of an element."""
        x, y = self._middle(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """A key of the keyboard, where the focus is."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS[key])

    def drop(self, selector: str, files: Sequence[Path]) -> None:
        """Files dragged from elsewhere and dropped on an element."""
        x, y = self._middle(selector)
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": DRAG_COPY}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def choose(self, selector: str, files: Sequence[Path]) -> None:
        """Files chosen in the dialog of an input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def saved(self, path: Path) -> Path:
        """A file that the page has saved, once it is whole."""
        _wait(path.is_file, lambda: f"{path.name} was not saved")
        return path

    def hosts(self) -> set[str]:
        """Of all requests that left the page; what holds its own bytes (`data:`, `blob:`) asks nobody."""
        self.run("0")  # takes in the events that have come
        urls = [urlsplit(event["params"]["request"]["url"]) for event in self._of("Network.requestWillBeSent")]
        return {url.netloc for url in urls if url.scheme not in ("data", "blob")}

    def complaints(self) -> list[str]:
        """Errors and warnings on the console, what was thrown, and what the policy blocked."""
        self.run("0")
        said = [
            e for e in self._of("Runtime.consoleAPICalled") if e["params"]["type"] in ("error", "warning", "assert")
        ]
        logged = [e for e in self._of("Log.entryAdded") if e["params"]["entry"]["level"] in ("error", "warning")]
        return [json.dumps(event["params"]) for event in (*said, *logged, *self._of("Runtime.exceptionThrown"))]

    def _of(self, method: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["method"] == method]

    def _middle(self, selector: str) -> tuple[float, float]:
        box = self.run(
            f"(() => {{ const it = document.querySelector({selector!r}); it.scrollIntoView({{ block: 'center' }});"
            " const box = it.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        return box[0], box[1]


def _address(process: subprocess.Popen[bytes], port_file: Path) -> str:
    """Where the browser listens, once it does."""

    def is_listening() -> bool:
        assert process.poll() is None, f"the browser ended with {process.returncode}"
        return port_file.is_file() and "\n" in port_file.read_text()

    _wait(is_listening, lambda: "the browser does not listen")
    return f"http://127.0.0.1:{port_file.read_text().splitlines()[0]}"


def _wait(is_done: Callable[[], bool], failure: Callable[[], str]) -> None:
    last = time.monotonic() + PATIENCE_S
    while not is_done():
        assert time.monotonic() < last, failure()
        time.sleep(0.02)
