"""Somebody at a real browser, and what they should not see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from deploy.stack.processes import program


@dataclass
class Visitor:
    """Somebody at a browser, who notes what should not be."""

    page: Page
    url: str
    console: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on(
            "console", lambda said: self.console.append(said.text) if said.type in {"error", "warning"} else None
        )
        self.page.on("pageerror", lambda error: self.console.append(str(error)))
        self.page.on("request", self._note)

    def open(self, path: str) -> None:
        answer = self.page.goto(f"{self.url}{path}")
        assert answer is not None
        assert answer.status == 200, path

    def faults(self) -> list[str]:
        """What axe finds that is serious or critical."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{each['id']}: {node['html'][:200]}"
            for each in found
            if each["impact"] in {"serious", "critical"}
            for node in each["nodes"]
        ]

    def _note(self, request: Any) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.url).netloc:
            self.foreign.append(request.url)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's, as it is installed."""
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        path = str(program("chromium", "chromium"))
        opened = playwright.chromium.launch(executable_path=path, args=options)
        yield opened
        opened.close()
