"""Rule groups compared by what they mean, wherever they come from: our own, a manifest, a ruler, a Prometheus.

Keys may stand in any order, durations and expressions may be spelled in other ways (Prometheus prints expressions in
its own form): what is compared is durations in milliseconds and expressions as the parser's ``prettify`` prints them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from slo_engine.definitions.duration import Duration
from slo_engine.definitions.promql import PromqlError
from slo_engine.errors import SloEngineError
from slo_engine.rules.promql_text import as_promql

OUR_GROUPS = "slo-engine:"
"""What the names of our groups begin with, and no other group's."""

_GROUP_KEYS = {"name", "interval", "rules"}
_RULE_KEYS = {"record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"}


class NotARuleGroupError(SloEngineError):
    """Something stands where a rule group is expected."""


@dataclass(frozen=True)
class PlainRule:
    """One rule. Durations in milliseconds; no duration is 0, as Prometheus has it."""

    kind: Literal["record", "alert"]
    name: str
    expr: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    held: int = 0
    keep_firing: int = 0
    others: Mapping[str, str] | None = None
    """What we never write, and somebody has added."""

    def __str__(self) -> str:
        labels = ", ".join(f'{name}="{value}"' for name, value in sorted(self.labels.items()))
        return f"{self.kind} {self.name}{{{labels}}}"

    @property
    def key(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """What tells the rules of a group apart."""
        return self.kind, self.name, tuple(sorted(self.labels.items()))


@dataclass(frozen=True)
class PlainGroup:
    """One rule group. ``interval`` in milliseconds; None: the evaluation interval of whoever loads it."""

    name: str
    interval: int | None
    rules: tuple[PlainRule, ...]
    others: Mapping[str, str] | None = None

    @property
    def is_ours(self) -> bool:
        """Whether slo-engine has written it, by its name."""
        return self.name.startswith(OUR_GROUPS)


def read_group(data: Any) -> PlainGroup:
    """A group as rule files, manifests and rulers have it. Raises NotARuleGroupError."""
    try:
        return PlainGroup(
            str(data["name"]),
            _milliseconds(data.get("interval")) or None,
            tuple(_rule(rule) for rule in data.get("rules") or ()),
            _others(data, _GROUP_KEYS),
        )
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise NotARuleGroupError(f"this is not a rule group ({type(error).__name__}: {error})") from None


def differences(wanted: PlainGroup, found: PlainGroup) -> Iterator[str]:
    """What ``found`` has other than ``wanted``, in words; nothing when they mean the same. An interval that we do not
    set may be anything."""
    if wanted.interval is not None and wanted.interval != found.interval:
        is_now = "not set" if found.interval is None else str(Duration(found.interval))
        yield f"interval is {is_now}, not {Duration(wanted.interval)}"
    if found.others:
        yield f"{', '.join(sorted(found.others))} is set, and slo-engine does not set it"
    unmatched = list(found.rules)
    missing = []
    for rule in wanted.rules:
        twin = next((other for other in unmatched if other.key == rule.key), None)
        if twin is None:
            missing.append(rule)
            continue
        unmatched.remove(twin)
        yield from (f"{rule}: {difference}" for difference in _rule_differences(rule, twin))
    for rule in missing:
        relative = next((each for each in unmatched if (each.kind, each.name) == (rule.kind, rule.name)), None)
        if relative is None:
            yield f"{rule} is missing"
            continue
        unmatched.remove(relative)
        yield f"{rule}: labels are {dict(sorted(relative.labels.items()))}"
        yield from (f"{rule}: {difference}" for difference in _rule_differences(rule, relative))
    yield from (f"{rule} is not in the SLO files" for rule in unmatched)
    keys = [rule.key for rule in found.rules]
    if [rule.key for rule in wanted.rules] != keys and Counter(rule.key for rule in wanted.rules) == Counter(keys):
        yield "the rules stand in another order, and each reads what those before it record"


@lru_cache(maxsize=65536)
def formatted(expr: str) -> str:
    """An expression as the parser prints it; one that it cannot read stays as it is, but for white space."""
    try:
        return as_promql(expr)
    except PromqlError:
        return " ".join(expr.split())


def _rule_differences(wanted: PlainRule, found: PlainRule) -> Iterator[str]:
    if formatted(wanted.expr) != formatted(found.expr):
        yield f"expr is `{_short(found.expr)}`, not `{_short(wanted.expr)}`"
    for name, ours, theirs in (
        ("for", wanted.held, found.held),
        ("keep_firing_for", wanted.keep_firing, found.keep_firing),
    ):
        if ours != theirs:
            yield f"{name} is {Duration(theirs)}, not {Duration(ours)}"
    for name in sorted(wanted.annotations.keys() | found.annotations.keys()):
        ours_text, theirs_text = wanted.annotations.get(name), found.annotations.get(name)
        if ours_text != theirs_text:
            yield f"annotation {name} is {_quoted(theirs_text)}, not {_quoted(ours_text)}"
    if found.others:
        yield f"{', '.join(sorted(found.others))} is set, and slo-engine does not set it"


def _rule(data: Any) -> PlainRule:
    kind: Literal["record", "alert"] = "record" if data.get("record") else "alert"
    return PlainRule(
        kind,
        str(data[kind]),
        str(data["expr"]),
        _texts(data.get("labels")),
        _texts(data.get("annotations")),
        _milliseconds(data.get("for")),
        _milliseconds(data.get("keep_firing_for")),
        _others(data, _RULE_KEYS),
    )


def _texts(data: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in (data or {}).items()}


def _others(data: Any, known: set[str]) -> dict[str, str] | None:
    # A ruler that gives all its keys back leaves those empty that were not set.
    return {str(key): str(value) for key, value in data.items() if key not in known and value} or None


def _milliseconds(text: Any) -> int:
    if text in (None, "", 0) or str(text) in ("0", "0s"):
        return 0
    return Duration.parse(str(text)).milliseconds


def _short(expr: str, length: int = 160) -> str:
    text = " ".join(expr.split())
    return text if len(text) <= length else f"{text[:length]}..."


def _quoted(text: str | None) -> str:
    return "not set" if text is None else repr(text)
