"""What a push changes in a ruler: groups to send, groups of ours to delete. Pure: it decides, and sends nothing.

A namespace is ours when these SLO files give it groups; in it, the groups whose names begin with ``slo-engine:`` are
ours. Everything else is left alone. The namespace of a service that is gone is touched only when that is asked for:
the same tenant may hold the services of other SLO files.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from slo_engine.definitions.slo import SloSet
from slo_engine.rollout.comparison import (
    OUR_GROUPS,
    NotARuleGroupError,
    PlainGroup,
    differences,
    formatted,
    read_group,
)
from slo_engine.rules.build import build
from slo_engine.rules.model import RuleGroup
from slo_engine.rules.yaml_text import as_yaml

OUR_NAMESPACES = "slo-engine:"
"""What the namespaces of services begin with, when they are not all in one."""


@dataclass(frozen=True)
class Change:
    """One group to send or to delete. ``text``: the YAML to send, empty to delete. ``diff``: unified, of the texts."""

    action: Literal["create", "replace", "delete"]
    namespace: str
    group: str
    text: str
    diff: str

    def as_json(self) -> dict[str, str]:
        """For scripts."""
        return {"action": self.action, "namespace": self.namespace, "group": self.group}


@dataclass(frozen=True)
class Plan:
    """The changes, in the order in which they are made; and how many groups stay as they are."""

    changes: tuple[Change, ...]
    unchanged: int
    left_over: Mapping[str, int]
    """Namespaces of services that these SLO files do not name, with the number of their groups: not touched."""


def namespaces(slos: SloSet, namespace: str | None) -> dict[str, list[RuleGroup]]:
    """The groups of an SLO set by namespace: one namespace for each service, or the one given."""
    found: dict[str, list[RuleGroup]] = {}
    for service, groups in build(slos).items():
        if groups:
            found.setdefault(namespace or f"{OUR_NAMESPACES}{service}", []).extend(groups)
    return found


def plan(wanted: Mapping[str, Sequence[RuleGroup]], found: Mapping[str, Sequence[Any]], *, prune: bool = False) -> Plan:
    """How a ruler that has ``found`` comes to have ``wanted``. ``prune``: what is in the namespaces of services that
    ``wanted`` does not name is deleted too."""
    changes: list[Change] = []
    unchanged = 0
    for namespace, groups in wanted.items():
        present = _present(found.get(namespace, ()))
        for group in groups:
            change = _change(namespace, group, present.pop(group.name, None))
            if change is None:
                unchanged += 1
            else:
                changes.append(change)
        changes += _deletions(namespace, present)
    left_over = {}
    for namespace in sorted(found.keys() - wanted.keys()):
        present = _present(found[namespace]) if namespace.startswith(OUR_NAMESPACES) else {}
        if prune:
            changes += _deletions(namespace, present)
        elif present:
            left_over[namespace] = len(present)
    # A group that moves from one namespace to another is there twice for a moment, and never not at all.
    changes.sort(key=lambda change: change.action == "delete")
    return Plan(tuple(changes), unchanged, left_over)


def _present(groups: Sequence[Any]) -> dict[str, Any]:
    named = {str(group.get("name")): group for group in groups if isinstance(group, dict)}
    return {name: group for name, group in named.items() if name.startswith(OUR_GROUPS)}


def _change(namespace: str, group: RuleGroup, present: Any) -> Change | None:
    text = as_yaml(group.as_data())
    if present is None:
        return Change("create", namespace, group.name, text, _diff(namespace, group.name, "", text))
    if _is_same(group, present):
        return None
    return Change(
        "replace", namespace, group.name, text, _diff(namespace, group.name, _shown(present), _shown(group.as_data()))
    )


def _is_same(group: RuleGroup, present: Any) -> bool:
    try:
        found = read_group(present)
    except NotARuleGroupError:
        return False
    wanted: PlainGroup = read_group(group.as_data())
    return found.interval == wanted.interval and next(differences(wanted, found), None) is None


def _deletions(namespace: str, present: Mapping[str, Any]) -> Iterator[Change]:
    for name in sorted(present):
        yield Change("delete", namespace, name, "", _diff(namespace, name, _shown(present[name]), ""))


def _diff(namespace: str, group: str, found: str, wanted: str) -> str:
    where = f"{namespace}/{group}"
    return "".join(
        difflib.unified_diff(
            found.splitlines(keepends=True),
            wanted.splitlines(keepends=True),
            f"{where} (in the ruler)" if found else "/dev/null",
            f"{where} (from the SLO files)" if wanted else "/dev/null",
        )
    )


_ORDER = ("name", "interval", "rules", "record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations")


def _shown(data: Any) -> str:
    """What the ruler has, spelled as we do: a diff shows what differs, not how the ruler writes."""
    return as_yaml(_spelled(data))


def _spelled(data: dict[str, Any]) -> dict[str, Any]:
    order = {key: number for number, key in enumerate(_ORDER)}
    spelled: dict[str, Any] = {}
    for key in sorted((str(key) for key in data), key=lambda key: (order.get(key, len(order)), key)):
        value = data[key]
        if key == "rules" and isinstance(value, list):
            spelled[key] = [_spelled(rule) if isinstance(rule, dict) else str(rule) for rule in value]
        elif key in ("labels", "annotations") and isinstance(value, dict):
            spelled[key] = {str(name): str(text) for name, text in sorted(value.items())}
        elif value not in (None, "", [], {}):
            spelled[key] = formatted(str(value)) if key == "expr" else str(value)
    return spelled
