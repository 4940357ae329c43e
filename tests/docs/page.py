"""A page of the documentation, as far as tests look at it: its headings, tables and blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs"

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Table:
    """A table under a heading; the first row is its head."""

    heading: str
    rows: tuple[tuple[str, ...], ...]

    @property
    def head(self) -> tuple[str, ...]:
        """The names of the columns."""
        return self.rows[0]

    @property
    def body(self) -> tuple[tuple[str, ...], ...]:
        """The rows below the head and its line."""
        return self.rows[2:]


@dataclass(frozen=True)
class Page:
    """One Markdown file of docs/."""

    text: str

    def blocks(self, language: str) -> list[str]:
        """What stands between the fences of this language."""
        return [text for found, text in _BLOCK.findall(self.text) if found == language]

    def headings(self) -> list[str]:
        """The headings below the title."""
        return re.findall(r"^##+ (.+)$", _BLOCK.sub("", self.text), re.MULTILINE)

    def tables(self) -> Iterator[Table]:
        """All tables, from top to bottom."""
        heading, rows = "", list[tuple[str, ...]]()
        for line in [*_BLOCK.sub("", self.text).splitlines(), ""]:
            if line.startswith("|"):
                rows.append(tuple(cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]))
            elif rows:
                yield Table(heading, tuple(rows))
                rows = []
            if line.startswith("#"):
                heading = line.lstrip("# ")

    def table(self, heading: str) -> Table:
        """The only table under a heading."""
        (found,) = [table for table in self.tables() if table.heading == heading]
        return found


def page(name: str) -> Page:
    """``docs/<name>``"""
    return Page((FOLDER / name).read_text(encoding="utf-8"))


def names(text: str) -> list[str]:
    """What is written in backticks."""
    return _NAME.findall(text)
