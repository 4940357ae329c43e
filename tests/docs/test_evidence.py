"""What docs/evidence.md says of the sources is held to the table of the code."""

from __future__ import annotations

import re
from pathlib import Path

from slo_engine.evidence.reading import MOST_FAILING, MOST_HEALTHY
from slo_engine.evidence.sources import SOURCES

PAGE = (Path(__file__).parent.parent.parent / "docs" / "evidence.md").read_text(encoding="utf-8")


def test_every_source_is_described_and_none_is_made_up() -> None:
    assert set(re.findall(r"^\*\*`(\w+)`\.\*\*", PAGE, re.MULTILINE)) == set(SOURCES)


def test_how_much_is_read_is_what_the_page_says() -> None:
    assert f"Up to {MOST_FAILING:,} failing runs" in PAGE
    assert f"{MOST_HEALTHY:,} healthy runs" in PAGE
