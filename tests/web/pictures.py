"""Pictures of the pages for the docs: ``python -m tests.web.pictures docs/images``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.web.sample import sample
from tests.web.test_browser import TOKEN, paths, visiting
from tests.web.visitor import chromium

NAMES = ("page", None, "slo", "incident", "spend", "deliveries", None, "lab", "incidents")
"""Of the paths; what has none is like another one."""

LOOKS = {"1280": (1280, False), "390": (390, False), "dark": (1280, True)}


def main() -> None:
    """All of them."""
    out = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        site = sample(Path(folder), TOKEN)
        with site.served() as url, chromium() as browser:
            for look, (width, dark) in LOOKS.items():
                with visiting(browser, url, width=width, dark=dark) as visitor:
                    for name, path in zip(NAMES, paths(site), strict=True):
                        if name is not None:
                            visitor.open(path)
                            visitor.page.screenshot(path=out / f"{name}-{look}.png", full_page=True)
                            sys.stdout.write(f"{out / name}-{look}.png\n")


if __name__ == "__main__":
    main()
