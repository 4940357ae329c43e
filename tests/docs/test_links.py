"""Links in the documentation lead to files and headings that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.page import FOLDER, Page

FILES = sorted([*FOLDER.glob("*.md"), *FOLDER.parent.glob("*.md")])
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")


def anchors(page: Page) -> list[str]:
    """The headings as GitHub names them."""
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in page.headings()]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_link_leads_somewhere(file: Path) -> None:
    for target, anchor in _LINK.findall(file.read_text(encoding="utf-8")):
        there = file.parent / target if target else file
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(Page(there.read_text(encoding="utf-8"))), f"{target}#{anchor}"
