"""What a dashboard is, apart from Grafana's JSON: rows of panels, each with its queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

WIDTH = 24
"""Columns of Grafana's grid."""

Thresholds = tuple[tuple[float | None, str], ...]
"""From which value on something has which colour; None: from the lowest on."""

BY_LABELS = "__auto"
"""A legend of the labels in which the series differ: for groups, whose labels are different for each SLO."""

NEUTRAL: Thresholds = ((None, "text"),)


@dataclass(frozen=True)
class Query:
    """One PromQL expression of a panel. Grafana's variables stand in it as ``$service`` or ``${group:raw}``."""

    expr: str
    legend: str = BY_LABELS
    exemplars: bool = False
    """Whether the exemplars of its series are shown, which lead to traces."""
    is_limit: bool = False
    """Whether its lines are what others are held to: they are dashed."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """What all panels have. ``id``: never changes, for links and alerts name a panel by it."""

    id: int
    title: str
    description: str
    queries: tuple[Query, ...]
    width: int = 8
    height: int = 8
    unit: str = "short"
    decimals: int | None = None
    thresholds: Thresholds = NEUTRAL
    nothing: str | None = None
    """What is shown where there is no data, if that has a meaning."""


@dataclass(frozen=True, kw_only=True)
class Stat(Panel):
    """A number, now; with ``text``, the words for its values."""

    width: int = 4
    height: int = 4
    text: Mapping[int, tuple[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    """Value -> word and colour."""


@dataclass(frozen=True, kw_only=True)
class Lines(Panel):
    """Lines over time."""

    least: float | None = 0
    most: float | None = None
    show_thresholds: bool = False
    stacked: bool = False
    logarithmic: bool = False
    finest: str | None = None
    """How close its points are at most, such as ``1m``; None: as close as samples are."""
    since: str | None = None
    """The range of time that it always shows, such as ``30d``; None: that of the dashboard."""


@dataclass(frozen=True, kw_only=True)
class Heatmap(Panel):
    """The buckets of a histogram over time."""


@dataclass(frozen=True, kw_only=True)
class States(Panel):
    """A bar for each series, coloured by its value."""

    text: Mapping[int, tuple[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    """Value -> word and colour; where there is none, the thresholds colour it."""


@dataclass(frozen=True)
class Column:
    """How the values of one query are shown in a table."""

    title: str
    unit: str = "short"
    decimals: int | None = None
    thresholds: Thresholds | None = None


@dataclass(frozen=True, kw_only=True)
class Table(Panel):
    """The labels and values of series, now: one row for all series of the same labels."""

    columns: tuple[Column, ...]
    """One for each query."""
    first: tuple[str, ...] = ()
    """The labels that are the first columns; the others follow."""
    hidden: tuple[str, ...] = ()
    links: Mapping[str, tuple[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    """Label -> title and address of the link in its cells."""
    sort_by: str | None = None
    descending: bool = False


@dataclass(frozen=True)
class Row:
    """Panels under one heading, from left to right, in as many lines as they need."""

    id: int
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Variable:
    """What a person chooses above the panels. ``query``: ``label_values(...)`` or ``query_result(...)``."""

    name: str
    label: str
    query: str
    all_value: str | None = None
    """The pattern that stands for all of them, which is then what is chosen first; None: one of them is chosen."""
    multi: bool = False
    regex: str = ""


@dataclass(frozen=True)
class Dashboard:
    """``uid``: its address in Grafana, and the name of its file."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
    alerts: str | None
    """The series of alerts that are marked in all panels."""
    since: str = "now-3h"
    refresh: str = "30s"

    @property
    def panels(self) -> Iterator[Panel]:
        """All panels, from top to bottom."""
        return (panel for row in self.rows for panel in row.panels)


@dataclass(frozen=True)
class Place:
    """Where something stands in the grid."""

    x: int
    y: int
    width: int
    height: int


def laid_out(dashboard: Dashboard) -> Iterator[tuple[Row | Panel, Place]]:
    """Every row and panel with its place: from left to right, and below the highest of a line."""
    y = 0
    for row in dashboard.rows:
        yield row, Place(0, y, WIDTH, 1)
        y += 1
        x = line = 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y, line = 0, y + line, 0
            yield panel, Place(x, y, panel.width, panel.height)
            x, line = x + panel.width, max(line, panel.height)
        y += line
