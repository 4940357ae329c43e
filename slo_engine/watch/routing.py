"""How an Alertmanager is configured to send: which route takes an alert, in which group, and how long that may take.
Pure.

The semantics are those of Alertmanager's ``dispatch/route.go`` and ``dispatch/dispatch.go``; the group key is made as
it makes it, so that what is passed on in its place belongs to the same incident.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import yaml

from slo_engine.definitions.duration import Duration
from slo_engine.errors import SloEngineError

WEBHOOK_PATH = "/webhooks/alertmanager"

GROUP_WAIT, GROUP_INTERVAL = 30.0, 300.0
"""Alertmanager's defaults, in seconds."""

_MATCHER = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^\s=!~,{}"]+)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^",{}]*)\s*(?:,|$)')

_ESCAPES = {"\\n": "\n", '\\"': '"', "\\\\": "\\"}


class RoutingError(SloEngineError):
    """A configuration that is not understood."""


@dataclass(frozen=True)
class Matcher:
    """One condition on a label."""

    name: str
    op: str
    value: str

    def __str__(self) -> str:
        escaped = self.value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
        return f'{self.name}{self.op}"{escaped}"'

    def holds(self, labels: Mapping[str, str]) -> bool:
        """A label that is not there is empty."""
        found = labels.get(self.name, "")
        if self.op in ("=", "!="):
            return (found == self.value) == (self.op == "=")
        return (re.fullmatch(self.value, found) is not None) == (self.op == "=~")


@dataclass(frozen=True)
class Route:
    """One route of the tree. Times in seconds."""

    receiver: str
    matchers: tuple[Matcher, ...] = ()
    group_by: frozenset[str] | None = frozenset()
    """None: all labels, ``...`` in the configuration."""
    group_wait: float = GROUP_WAIT
    group_interval: float = GROUP_INTERVAL
    goes_on: bool = False
    has_hours: bool = False
    """Whether it has time intervals in which it is mute or active."""
    key: str = "{}"
    routes: tuple[Route, ...] = ()

    def matching(self, labels: Mapping[str, str]) -> Iterator[Route]:
        """The routes that take an alert."""
        if not all(matcher.holds(labels) for matcher in self.matchers):
            return
        is_taken = False
        for route in self.routes:
            taken = [*route.matching(labels)]
            yield from taken
            is_taken = is_taken or bool(taken)
            if taken and not route.goes_on:
                break
        if not is_taken:
            yield self

    def group_of(self, labels: Mapping[str, str]) -> dict[str, str]:
        """The labels of the group that an alert belongs to."""
        return {name: labels[name] for name in sorted(labels) if self.group_by is None or name in self.group_by}

    def group_key(self, labels: Mapping[str, str]) -> str:
        """``groupKey`` of the notifications with an alert."""
        group = ", ".join(
            f"{name}={json.dumps(text, ensure_ascii=False)}" for name, text in self.group_of(labels).items()
        )
        return f"{self.key}:{{{group}}}"


@dataclass(frozen=True)
class Webhook:
    """Where a receiver posts. ``url``: empty where it is hidden."""

    url: str
    max_alerts: int = 0
    """0: all of a group."""


@dataclass(frozen=True)
class Configuration:
    """What is of interest of a configuration. ``webhooks``: by receiver."""

    route: Route
    webhooks: Mapping[str, tuple[Webhook, ...]] = field(default_factory=dict)

    def most_alerts(self, receiver: str) -> int:
        """How many alerts of a group a receiver is told of; 0: all."""
        return min((each.max_alerts for each in self.webhooks.get(receiver, ()) if each.max_alerts > 0), default=0)

    def receivers_at(self, port: int, public_url: str | None) -> frozenset[str]:
        """The receivers that post to this engine, as far as their addresses say so. Raises RoutingError where that
        cannot be told."""
        public = urlsplit(public_url).netloc if public_url else None
        ours: dict[str, set[str]] = {}
        for receiver, webhooks in self.webhooks.items():
            for webhook in webhooks:
                parts = urlsplit(webhook.url)
                if parts.path.rstrip("/") != WEBHOOK_PATH and not parts.path.startswith(f"{WEBHOOK_PATH}/"):
                    continue
                if parts.netloc == public:
                    ours.setdefault("", set()).add(receiver)
                elif parts.netloc.rpartition(":")[2] == str(port):
                    ours.setdefault(parts.netloc, set()).add(receiver)
        if "" in ours:
            return frozenset(ours[""])
        if len(ours) > 1:
            raise RoutingError("several receivers post to engines at this port: name ours in alertmanager.receivers")
        if not ours:
            raise RoutingError(
                "no address of a receiver is this engine's (Alertmanager may hide them): name its receivers in "
                "alertmanager.receivers"
            )
        return frozenset(next(iter(ours.values())))


def read(text: str) -> Configuration:
    """Read a configuration. Raises RoutingError."""
    try:
        data = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader
    except (yaml.YAMLError, RecursionError):
        raise RoutingError("the configuration is not YAML") from None
    if not isinstance(data, dict) or not isinstance(data.get("route"), dict):
        raise RoutingError("the configuration has no route")
    try:
        return Configuration(_route(data["route"], Route("")), _webhooks(data.get("receivers")))
    except (re.error, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise RoutingError(f"the configuration is not understood: {error}") from None


def _route(raw: Mapping[str, Any], parent: Route, parent_key: str = "") -> Route:
    matchers = tuple(sorted(_matchers(raw), key=lambda each: (each.name, each.value, each.op)))
    for matcher in matchers:
        re.compile(matcher.value if "~" in matcher.op else "")
    group_by = parent.group_by
    if raw.get("group_by") is not None:
        group_by = None if "..." in raw["group_by"] else frozenset(str(name) for name in raw["group_by"])
    own_key = f"{{{','.join(map(str, matchers))}}}"
    route = Route(
        str(raw.get("receiver") or parent.receiver),
        matchers,
        group_by,
        _seconds(raw.get("group_wait"), parent.group_wait),
        _seconds(raw.get("group_interval"), parent.group_interval),
        bool(raw.get("continue")),
        bool(raw.get("mute_time_intervals") or raw.get("active_time_intervals")),
        f"{parent_key}/{own_key}" if parent_key else own_key,
    )
    children = tuple(_route(each, route, route.key) for each in raw.get("routes") or ())
    return Route(**{**vars(route), "routes": children})


def _matchers(raw: Mapping[str, Any]) -> Iterator[Matcher]:
    for name, value in (raw.get("match") or {}).items():
        yield Matcher(str(name), "=", str(value))
    for name, value in (raw.get("match_re") or {}).items():
        yield Matcher(str(name), "=~", str(value))
    for text in raw.get("matchers") or ():
        yield from _parsed(str(text))


def _parsed(text: str) -> Iterator[Matcher]:
    inner = text.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1]
    position = 0
    while position < len(inner):
        found = _MATCHER.match(inner, position)
        if found is None or found.end() == position:
            raise ValueError("a matcher")
        yield Matcher(_unquoted(found[1]), found[2], _unquoted(found[3].strip()))
        position = found.end()


def _unquoted(text: str) -> str:
    if len(text) < 2 or not (text.startswith('"') and text.endswith('"')):
        return text
    return re.sub(r'\\[n"\\]', lambda found: _ESCAPES[found[0]], text[1:-1])


def _seconds(value: Any, otherwise: float) -> float:
    return otherwise if value is None else 0.0 if value in ("0s", 0, "0") else Duration.parse(str(value)).seconds


def _webhooks(receivers: Any) -> dict[str, tuple[Webhook, ...]]:
    found: dict[str, tuple[Webhook, ...]] = {}
    for receiver in receivers if isinstance(receivers, Sequence) else ():
        configs = receiver.get("webhook_configs") or () if isinstance(receiver, dict) else ()
        if configs:
            found[str(receiver.get("name"))] = tuple(
                Webhook(str(each.get("url") or ""), int(each.get("max_alerts") or 0)) for each in configs
            )
    return found
