"""A real Chromium at a given width: where the parts of a page stand, and what it looks like."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import connect
from websockets.sync.connection import Connection

from deploy.stack.processes import program
from tests.waiting import wait_for


class Tab:
    """A page that is open in the browser. A small part of the Chrome DevTools Protocol."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._calls = 0

    def open(self, url: str, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Load a page in a window of this width, in CSS pixels."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setDeviceMetricsOverride", **screen)
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self._call("Page.navigate", url=url)
        wait_for("the page", lambda: self.value("document.readyState") == "complete", within=30, every=0.05)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives: the browser's tools may run it though the page may not."""
        return self._call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def picture(self, file: Path, *, height: int | None = None) -> None:
        """The whole page as a PNG, or its upper part."""
        whole = self.value("[document.documentElement.clientWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": whole[0], "height": min(height or whole[1], whole[1]), "scale": 1}
        shot = self._call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(shot["data"]))

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._calls += 1
        self._connection.send(json.dumps({"id": self._calls, "method": method, "params": params}))
        while True:
            answer = json.loads(self._connection.recv(timeout=30))
            if answer.get("id") == self._calls:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result


@contextmanager
def tab(profile: Path) -> Iterator[Tab]:
    """A tab of a browser of its own."""
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
    command = [
        str(program("chromium", "chromium")),
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--hide-scrollbars", *quiet),
        f"--user-data-dir={profile}",
        "--remote-debugging-port=0",
        "about:blank",
    ]
    browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        written = profile / "DevToolsActivePort"
        port = wait_for(
            "the port of the browser's tools",
            lambda: written.read_text().split("\n")[0] if written.exists() and "\n" in written.read_text() else None,
            within=30,
            every=0.05,
        )
        with connect(_address_of_its_page(int(port)), max_size=None, proxy=None) as connection:
            yield Tab(connection)
    finally:
        browser.terminate()
        browser.wait(timeout=30)


def _address_of_its_page(port: int) -> str:
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
        pages = [each for each in json.load(answer) if each["type"] == "page"]
    address: str = pages[0]["webSocketDebuggerUrl"]
    return address
