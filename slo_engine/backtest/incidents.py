"""What alerts are for: incidents that somebody marked in a file, or stretches of errors that cost much budget."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from slo_engine.backtest.windows import MINUTE, History, Values, Windows
from slo_engine.definitions.document import Document, read_document
from slo_engine.definitions.duration import Duration
from slo_engine.definitions.problems import KeyPath, Problem, SloFileError

PAUSE = 60
"""Minutes: stretches of errors with a shorter pause between them are one."""

BURNING = Duration.parse("5m")
"""A minute burns by the error ratio over so long a time up to its end: single errors in a quiet minute do not."""

_KEYS = ("start", "end", "name", "group")


@dataclass(frozen=True)
class Incident:
    """A stretch of time at which an alert ought to fire. Unix seconds."""

    name: str
    start: int
    end: int
    group: Mapping[str, str]
    """The label values of the groups that it hit; empty: any."""

    def hit(self, group: Mapping[str, str]) -> bool:
        """Whether it is about this group."""
        return all(group.get(label) == value for label, value in self.group.items())


def significant_stretches(
    windows: Windows, history: History, burns_above: float, allowed: float, share: float, group: Mapping[str, str]
) -> Iterator[Incident]:
    """The stretches of errors that spent at least ``share`` of the error budget.

    A minute burns when the error ratio over :data:`BURNING` up to its end is above ``burns_above``: the error budget,
    so a burn rate of 1. A stretch goes from one burning minute to another, with no pause of :data:`PAUSE` minutes or
    more in between (a gap in the history is a pause); it is as long as it can be. What it spent is its errors as a
    share of ``allowed``, the errors that the budget of a whole SLO window allows.
    """
    of_the_minute, span = windows.ratios(_ONE_MINUTE), int(BURNING.seconds) // MINUTE
    for first, last in _stretches(windows.ratios(BURNING), burns_above):
        # Errors burn five minutes on: it begins and ends with a minute that is above by itself.
        above = [at for at in range(max(0, first - span + 1), last + 1) if of_the_minute[at] > burns_above]
        begin, end = above[0] - 1, above[-1]
        if allowed > 0 and errors_between(history, begin, end) >= share * allowed:
            start, over = (history.start + minute * MINUTE for minute in (begin, end))
            yield Incident("", start, over, group)


def errors_between(history: History, begin: int, end: int) -> float:
    """The errors after minute ``begin`` of a history, up to ``end``."""
    return math.fsum(errors for errors in history.errors[max(begin, -1) + 1 : max(end, -1) + 1] if errors == errors)


def read_incidents(file: Path) -> tuple[Incident, ...]:
    """Incidents from a YAML file: a list of ``{start, end, name, group}``. Raises SpecError with every mistake."""
    try:
        document = read_document(file, file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SloFileError([Problem(file, 1, 1, "", f"cannot be read: {why}")]) from None
    if not document.problems and (not isinstance(document.data, list) or not document.data):
        document.problems.append(document.problem((), "must be a list: `- {start: ..., end: ..., name: ...}`"))
    found = []
    if not document.problems:
        found = [_incident(document, (index,), item) for index, item in enumerate(document.data)]
    if document.problems:
        raise SloFileError(document.problems)
    return tuple(incident for incident in found if incident is not None)


def _stretches(burning: Values, above: float) -> Iterator[tuple[int, int]]:
    """The first and the last burning minute of each."""
    begin = last = None
    for minute, ratio in enumerate(burning):
        if ratio > above:
            if begin is not None and last is not None and minute - last >= PAUSE:
                yield begin, last
                begin = None
            if begin is None:
                begin = minute
            last = minute
    if begin is not None and last is not None:
        yield begin, last


def _incident(document: Document, path: KeyPath, item: Any) -> Incident | None:
    def wrong(message: str, *where: str, at_key: bool = False) -> None:
        document.problems.append(document.problem((*path, *where), message, at_key=at_key))

    if not isinstance(item, dict):
        wrong("must be a mapping: `{start: ..., end: ..., name: ...}`")
        return None
    for key in item.keys() - set(_KEYS):
        close = difflib.get_close_matches(key, _KEYS, n=1)
        wrong(
            f"unknown key: did you mean {close[0]!r}?" if close else f"unknown key: remove it; {_TAKEN}",
            key,
            at_key=True,
        )
    times = {}
    for key in ("start", "end"):
        if key not in item:
            wrong(f"{key} is missing: add it, such as `{key}: {_EXAMPLE}`")
        elif (time := _time(item[key])) is None:
            wrong(f"must be a time with its zone, such as {_EXAMPLE}", key)
        else:
            times[key] = time
    if len(times) == 2 and times["end"] <= times["start"]:
        wrong("must be after start", "end")
    name, group = item.get("name"), item.get("group", {})
    if name is not None and (not isinstance(name, str) or not name.isprintable()):
        wrong("must be text: put it in quotes", "name")
    if not isinstance(group, dict) or not all(isinstance(value, str) for value in group.values()):
        wrong("must be a mapping of labels to text, such as {agent_type: support_agent}", "group")
        return None
    if len(times) < 2:
        return None
    return Incident(name or item["start"], times["start"], times["end"], group)


_ONE_MINUTE = Duration.parse("1m")
_EXAMPLE = "2026-11-02T14:05:00Z"
_TAKEN = f"an incident has {', '.join(_KEYS)}"


def _time(value: object) -> int | None:
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        return None if time is None or time.tzinfo is None else int(time.timestamp())
    except (ValueError, OverflowError):
        return None
