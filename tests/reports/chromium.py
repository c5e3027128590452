"""A real Chromium, spoken to over its debugging pipe: one browser for all pages of a test run, and no network.

The pages stay as they are: what a test asks is evaluated beside the page's own policy, not put into a copy of it.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
from pathlib import Path
from typing import Any

#: Seconds that anything may take before a test fails.
PATIENCE = 30.0
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)


def installed() -> str | None:
    """The browser's path; None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One Chromium with one tab. Close it."""

    def __init__(self, program: str, profile: Path) -> None:
        ours, theirs = _pipe()
        self._answers, answering = _pipe()
        command = [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        actions = [
            (os.POSIX_SPAWN_DUP2, ours, 3),
            (os.POSIX_SPAWN_DUP2, answering, 4),
            *((os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0o600) for number in (1, 2)),
        ]
        self._process = os.posix_spawn(program, command, os.environ, file_actions=actions, setpgroup=0)
        os.close(ours)
        os.close(answering)
        self._asking, self._buffer, self._number = theirs, b"", 0
        self._session = ""
        tab = next(t for t in self.send("Target.getTargets")["targetInfos"] if t["type"] == "page")
        attached = self.send("Target.attachToTarget", targetId=tab["targetId"], flatten=True)
        self._session = attached["sessionId"]
        self.send("Page.enable")

    def send(self, method: str, **given: Any) -> dict[str, Any]:
        """One command of the DevTools protocol and its answer."""
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        message = {"id": self._number, "method": method, "params": given, **session}
        os.write(self._asking, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, page: Path, width: int = 1280, *, dark: bool = False, scripts: bool = True) -> None:
        """Load a page at a width in a scheme, and come back when it is loaded and laid out."""
        self.send("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.resize(width)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send("Page.navigate", url=page.as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def resize(self, width: int, height: int = 900) -> None:
        """Make the window so many CSS pixels wide."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def tell(self, expression: str) -> Any:
        """The value of an expression in the page, awaited if it is a promise."""
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def picture(self, *, whole: bool = False) -> bytes:
        """A PNG of the window, or of the whole page."""
        return base64.b64decode(
            self.send("Page.captureScreenshot", captureBeyondViewport=whole, **self._clip(whole))["data"]
        )

    def paper(self) -> bytes:
        """The page printed on A4, as a PDF."""
        answer = self.send("Page.printToPDF", preferCSSPageSize=True, generateTaggedPDF=False)
        return base64.b64decode(answer["data"])

    def close(self) -> None:
        """End the browser and everything it started."""
        os.close(self._asking)
        os.close(self._answers)
        os.killpg(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)

    def _clip(self, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {**size, "scale": 1}}

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._answers], [], [], PATIENCE)
            assert ready, f"Chromium said nothing for {PATIENCE:g} s"
            read = os.read(self._answers, 1 << 20)
            assert read, "Chromium has ended"
            self._buffer += read
        message, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer


def _pipe() -> tuple[int, int]:
    """A pipe whose numbers are none of those that Chromium reads and writes."""
    low = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 100) for end in low)
    for end in low:
        os.close(end)
    return high[0], high[1]
