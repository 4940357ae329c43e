"""Incidents from a file, and what is wrong with it, at file:line:column."""

from __future__ import annotations

from pathlib import Path

import pytest

from slo_engine.backtest.incidents import Incident, errors_between, read_incidents
from slo_engine.backtest.windows import History
from slo_engine.definitions import SloFileError


def test_incidents_are_read_with_their_zone(tmp_path: Path) -> None:
    file = tmp_path / "incidents.yaml"
    file.write_text(
        "- {start: 2026-11-02T14:00:00Z, end: 2026-11-02T15:00:00Z, name: provider down}\n"
        "- start: 2026-11-03T01:00:00+01:00\n  end: 2026-11-03T00:30:00Z\n  group: {agent_type: chat}\n"
    )
    assert read_incidents(file) == (
        Incident("provider down", 1793628000, 1793631600, {}),
        Incident("2026-11-03T01:00:00+01:00", 1793664000, 1793665800, {"agent_type": "chat"}),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1:1: must be a list"),
        ("incidents: []", "1:1: must be a list"),
        ("- provider down", "1:3: [0]: must be a mapping"),
        ("- {start: 2026-11-02T14:00:00Z}", "1:3: [0]: end is missing"),
        ("- {start: 2026-11-02 14:00, end: 2026-11-02T15:00:00Z}", "1:11: [0].start: must be a time with its zone"),
        ("- {start: 2026-11-02T14:00:00Z,\n   end: 2026-11-02T13:00:00Z}", "2:9: [0].end: must be after start"),
        (
            "- {start: 2026-11-02T14:00:00Z, end: 2026-11-02T15:00:00Z, nane: x}",
            "1:60: [0].nane: unknown key: did you mean 'name'?",
        ),
        (
            "- {start: 2026-11-02T14:00:00Z, end: 2026-11-02T15:00:00Z, group: chat}",
            "1:67: [0].group: must be a mapping of labels",
        ),
        ("- {start: 17, end: 18}", "1:11: [0].start: must be a time with its zone"),
        ("- [", "not readable as YAML"),
    ],
)
def test_a_mistake_is_told_where_it_is(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "incidents.yaml"
    file.write_text(text)
    with pytest.raises(SloFileError) as caught:
        read_incidents(file)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SloFileError, match="cannot be read: No such file"):
        read_incidents(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("begin", "end", "errors"),
    [(9, 30, 200), (9, 12, 30), (14, 30, 150), (0, 40, 200), (-20, 40, 200), (29, 40, 0), (17, 20, 30)],
)
def test_errors_between_two_minutes_are_counted_once(begin: int, end: int, errors: float) -> None:
    each = [0.0] * 10 + [10.0] * 20 + [0.0] * 20
    assert errors_between(History(0, each, each), begin, end) == pytest.approx(errors)
