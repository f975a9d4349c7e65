"""Drives an installed Chromium over its DevTools protocol, through a pipe: nothing to install."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",  # which a user of the machine may lack, and pages are our own
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
)
KEYS = {"Enter": (13, "\r"), "Tab": (9, "")}
READS, WRITES = 3, 4  # the descriptors at which Chromium reads and writes messages


def find_chromium() -> str | None:
    """Where the browser is; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def browsing() -> Iterator[Browser]:
    """A browser without a window; it ends with the block."""
    program = find_chromium()
    assert program is not None
    to_browser, from_us = os.pipe()
    to_us, from_browser = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=lambda: place((to_browser, READS), (from_browser, WRITES)),
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        try:
            with os.fdopen(from_us, "wb") as writing, os.fdopen(to_us, "rb") as reading:
                yield Browser(writing, reading)
                writing.write(message(0, "Browser.close"))
        finally:
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


def place(*pairs: tuple[int, int]) -> None:
    """Let each descriptor have the number beside it, though another may have it now."""
    high = [(os.dup2(old, 100 + new), new) for old, new in pairs]
    for old, new in high:
        os.dup2(old, new)


def message(number: int, method: str, session: str = "", **parameters: Any) -> bytes:
    """One call of the protocol as bytes, which a zero ends."""
    body = {"id": number, "method": method, "params": parameters}
    return json.dumps({**body, **({"sessionId": session} if session else {})}).encode() + b"\0"


class Browser:
    """One tab: it opens files, has a size and colours, is clicked and typed into."""

    def __init__(self, writing: BinaryIO, reading: BinaryIO) -> None:
        self._writing, self._reading = writing, reading
        self._numbers, self._session = count(1), ""
        self.requests: list[str] = []  # of everything that pages asked for
        self.faults: list[str] = []  # of their scripts
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one call; what happens meanwhile is noted."""
        number = next(self._numbers)
        self._writing.write(message(number, method, self._session, **parameters))
        self._writing.flush()
        while True:
            told = self._read()
            if told.get("id") == number:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']['message']}")
                return dict(told["result"])

    def open(self, file: Path, wide: int = 1280, high: int = 900, dark: bool = False) -> None:
        """Show a file at a size, in light or dark colours, once it is loaded."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=wide,
            height=high,
            deviceScaleFactor=1,
            mobile=wide < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=file.resolve().as_uri())
        while self._read().get("method") != "Page.loadEventFired":
            pass

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        told = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in told:
            raise RuntimeError(told["exceptionDetails"]["exception"]["description"])
        return told["result"].get("value")

    def click(self, selector: str) -> None:
        """Press and release the mouse in the middle of an element."""
        box = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center', inline: 'center'});"
            "const b = e.getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=box[0],
                y=box[1],
                button="left",
                clickCount=1,
            )

    def press(self, key: str) -> None:
        """``Enter`` or ``Tab``."""
        code, text = KEYS[key]
        about = {"key": key, "windowsVirtualKeyCode": code}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def write(self, text: str) -> None:
        """Text into the field that has the focus."""
        self.call("Input.insertText", text=text)

    def shoot(self, file: Path) -> None:
        """What is seen, as PNG."""
        file.write_bytes(
            base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        )

    def _read(self) -> dict[str, Any]:
        """The next message; requests and faults of scripts are noted."""
        told = b""
        while not told.endswith(b"\0"):
            part = self._reading.read(1)
            if not part:
                raise RuntimeError("Chromium ended before it answered")
            told += part
        body: dict[str, Any] = json.loads(told[:-1])
        if body.get("method") == "Network.requestWillBeSent":
            self.requests.append(body["params"]["request"]["url"])
        if body.get("method") == "Runtime.exceptionThrown":
            self.faults.append(body["params"]["exceptionDetails"]["text"])
        return body
