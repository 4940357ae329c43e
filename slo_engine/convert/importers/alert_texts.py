"""The labels and annotations of another tool's alerts: texts that Prometheus reads as Go templates, and that name the
labels of that tool.

Prometheus fills in the labels of the series that an alert is about, and none of those that its rule sets: ``$labels``
knows neither ``severity`` nor the windows, in the rules of whichever tool. Where such a label has one value, that is
written out; where a reference would stay empty, that is said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from slo_engine.definitions.labels import LONG_WINDOW, SERVICE, SEVERITY, SHORT_WINDOW, SLO

_ACTION = re.compile(
    r"""\{\{(?P<left>-?)(?P<inside>(?:"(?:\\.|[^"\\])*"|`[^`]*`|/\*.*?\*/|(?!-?\}\}).)*)(?P<right>-?)\}\}""", re.DOTALL
)
_PARTS = re.compile(
    r"""\bindex\s+(?P<map>\$labels|\$?\.Labels)\s+(?P<key>"(?:\\.|[^"\\])*"|`[^`]*`)"""
    r"""|(?P<text>"(?:\\.|[^"\\])*"|`[^`]*`|/\*.*?\*/)"""
    r"""|(?P<base>(?:\$\w*)?(?:\.\w+)*)\.(?P<name>\w+)""",
    re.DOTALL,
)
_LABELS = ("$labels", ".Labels", "$.Labels")


@dataclass(frozen=True)
class Words:
    """What the templates of a tool call the labels of its alerts."""

    renamed: Mapping[str, str]
    severity: str
    joined: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Labels that are two of ours with a hyphen between them."""
    own: str = r"(?!)"
    """A pattern of the labels that are the tool's alone, whatever they are looked up in."""
    anywhere: str = r"(?!)"
    """A pattern of labels and records that are known for the tool's wherever they stand: in a link, in a query."""


@dataclass(frozen=True)
class Alert:
    """What is known of the alerts that carry a text."""

    severity: str
    severity_there: str
    """What the label of the other tool said of it."""
    by: tuple[str, ...] | None
    """The labels of its groups; None where these are not known."""
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Labels that have one value."""


def translated(text: str, words: Words, alert: Alert | None) -> tuple[str, list[str]]:
    """The text in our labels, and what is to be said of it. ``alert`` is None where it is not known."""
    return _Translation(words, alert).of(text)


class _Translation:
    def __init__(self, words: Words, alert: Alert | None) -> None:
        self._words = words
        self._alert = alert
        self._by = (alert.by if alert else None) or ()
        self._said: dict[str, None] = {}

    def of(self, text: str) -> tuple[str, list[str]]:
        done, end = "", 0
        for action in _ACTION.finditer(text):
            done += self._plain(text[end : action.start()]) + self._action(action)
            end = action.end()
        done += self._plain(text[end:])
        return done, list(self._said)

    def _plain(self, text: str) -> str:
        for found in re.findall(rf"\b(?:{self._words.anywhere})", text):
            self._say(
                f"it names {found}, which ends with the rules of that tool: write it anew, with {SERVICE}, {SLO} and "
                "the records of the rules here"
            )
        return text

    def _action(self, action: re.Match[str]) -> str:
        inside = action["inside"]
        whole = _PARTS.fullmatch(inside.strip())
        name = self._name(whole) if whole else None
        joined = self._words.joined.get(name) if name else None
        if whole and joined and (base := whole["base"] or whole["map"]):
            first, second = joined
            return f"{{{{{action['left']} {base}.{first} }}}}-{{{{ {base}.{second} {action['right']}}}}}"
        if name is not None and not action["left"] and not action["right"]:
            value = self._value(name)
            if value is not None and "{{" not in value:
                return value
        inside = _PARTS.sub(self._part, inside)
        return f"{{{{{action['left']}{inside}{action['right']}}}}}"

    def _name(self, part: re.Match[str]) -> str | None:
        """The label that a part of an action looks up, unless it is one of `by`; None where it does something else."""
        name = part["key"][1:-1] if part["key"] else part["name"]
        if name is None or name in self._by:
            return None
        theirs = part["key"] or part["base"] in _LABELS or re.fullmatch(self._words.own, name)
        return str(name) if theirs else None

    def _part(self, part: re.Match[str]) -> str:
        name = self._name(part)
        if name is None:
            return self._plain(part[0])
        base = part["base"] or part["map"] or ""
        if name in self._words.joined:
            first, second = self._words.joined[name]
            call = f'printf "%s-%s" {base}.{first} {base}.{second}'
            return call if part["key"] else f"({call})"
        if (value := self._value(name)) is not None:
            return json.dumps(value, ensure_ascii=False)
        ours = self._words.renamed.get(name, name)
        self._doubt(name, ours)
        if ours == name:
            return part[0]
        return f'index {base} "{ours}"' if part["key"] else f"{base}.{ours}"

    def _value(self, name: str) -> str | None:
        """The one value of a label, where it has one."""
        if self._alert is None:
            return None
        if name == self._words.severity:
            return self._alert.severity_there
        if name == SEVERITY:
            return self._alert.severity
        value = self._alert.fixed.get(name)
        return None if value is None or "{{" in value or name in self._words.renamed else value

    def _doubt(self, name: str, ours: str) -> None:
        empty = f"{{{{ $labels.{ours} }}}} stays empty"
        if ours in (LONG_WINDOW, SHORT_WINDOW):
            self._say(
                f"{empty}: Prometheus fills in labels of series, not of rules. The alert carries it, and describes it"
            )
        elif re.fullmatch(self._words.own, name) and ours == name:
            self._say(f"{empty}: nothing here stands for it")
        elif self._alert is not None and self._alert.by is not None and ours not in (SERVICE, SLO):
            self._say(
                f"{empty}: the series here have {SERVICE}, {SLO} and the labels of `by`. Write the text without it"
            )

    def _say(self, remark: str) -> None:
        self._said[remark] = None
