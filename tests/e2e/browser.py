"""A real Chromium, headless: what a page looks like once it is loaded, and what the console said."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.stack.processes import program


@dataclass(frozen=True)
class Visit:
    """A page as the browser has it."""

    dom: str
    console: list[str]


def visit(url: str, profile: Path) -> Visit:
    """Load a page."""
    done = subprocess.run(
        [
            *_command(profile),
            "--dump-dom",
            "--enable-logging=stderr",
            "--v=0",
            url,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return Visit(done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line])


def screenshot(url: str, profile: Path, file: Path, *, width: int = 1360, height: int = 900) -> None:
    """Take a picture of a page, as a PNG."""
    size = f"--window-size={width},{height}"
    subprocess.run(
        [*_command(profile), size, "--hide-scrollbars", f"--screenshot={file}", url],
        capture_output=True,
        timeout=60,
        check=True,
    )


def _command(profile: Path) -> list[str]:
    # Nothing that looks for the network beyond loopback.
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
    return [
        str(program("chromium", "chromium")),
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", *quiet),
        f"--user-data-dir={profile}",
    ]
