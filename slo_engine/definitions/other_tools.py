"""Files of other tools, which ``slo-engine import`` reads: each object in them says what it is by its version.

One table for the importers, and for who is given such a file in the place of an SLO file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from slo_engine.definitions.document import MAX_DEPTH, Position

TOOLS: Mapping[str, str] = {"sloth": "Sloth", "openslo": "OpenSLO", "pyrra": "Pyrra"}
"""The formats that are read, each with the name of its tool."""

_VERSIONS: Mapping[tuple[str, str], str] = {
    ("version", "prometheus/v1"): "sloth",
    ("apiVersion", "sloth.slok.dev/v1"): "sloth",
    ("apiVersion", "openslo/v1"): "openslo",
    ("apiVersion", "openslo/v1alpha"): "openslo",
    ("apiVersion", "pyrra.dev/v1alpha1"): "pyrra",
}

_PYRRA = "v1alpha1"
"""Pyrra reads files without a look at their version, and people leave out its group."""


@dataclass(frozen=True)
class Foreign:
    """What a file says of itself, and where."""

    tool: str
    key: str
    at: Position


def format_of(data: Mapping[str, Any]) -> str | None:
    """The format of an object, by its own word."""
    for (key, version), name in _VERSIONS.items():
        if data.get(key) == version:
            return name
    if data.get("apiVersion") == _PYRRA and data.get("kind", "ServiceLevelObjective") == "ServiceLevelObjective":
        return "pyrra"
    return None


def foreign(text: str) -> Foreign | None:
    """What the text of a file is where it is one of another tool: in one document or in several, a list of objects, a
    ``List`` of Kubernetes; readable or with mistakes. A file that begins as one of ours is ours."""
    if not any(version in text for version in (*(version for _, version in _VERSIONS), _PYRRA)):
        return None  # as of almost all SLO files: nothing need be parsed
    for found in _objects(text):
        said = {key: value for key, (value, _) in found.said.items()}
        if str(said.get("version", "")).startswith("slo-engine/"):
            return None
        if name := format_of(said):
            key = "version" if ("version", said.get("version")) in _VERSIONS else "apiVersion"
            return Foreign(TOOLS[name], key, found.said[key][1])
    return None


@dataclass
class _Open:
    """A mapping or list whose end has not come yet."""

    path: tuple[str, ...]
    maps: bool
    key: str | None = None
    said: dict[str, tuple[str, Position]] = field(default_factory=dict)


_ITEM = "[]"
_OBJECTS = ((), (_ITEM,), ("items", _ITEM))
"""Where objects stand in a document."""


def _objects(text: str) -> Iterator[_Open]:
    """The objects of a text, on the stream of its events: nothing is composed of what may be hostile."""
    opened: list[_Open] = []
    try:
        for event in yaml.parse(text, Loader=yaml.CBaseLoader):
            if isinstance(event, yaml.NodeEvent):
                path = _path(opened[-1], event) if opened else ()
                if isinstance(event, yaml.CollectionStartEvent):
                    opened.append(_Open(path, isinstance(event, yaml.MappingStartEvent)))
            elif isinstance(event, yaml.CollectionEndEvent):
                ended = opened.pop()
                if ended.maps and ended.path in _OBJECTS:
                    yield ended
            if len(opened) > MAX_DEPTH:
                return
    except yaml.YAMLError:
        yield from (each for each in opened if each.maps and each.path in _OBJECTS)


def _path(parent: _Open, event: yaml.NodeEvent) -> tuple[str, ...]:
    """The path of the node that begins; what a mapping says of itself is kept."""
    if not parent.maps:
        return (*parent.path, _ITEM)
    value = str(event.value) if isinstance(event, yaml.ScalarEvent) else "?"
    if parent.key is None:
        parent.key = value
        return (*parent.path, "?")
    key, parent.key = parent.key, None
    if isinstance(event, yaml.ScalarEvent) and event.start_mark:
        parent.said.setdefault(key, (value, Position(event.start_mark.line + 1, event.start_mark.column + 1)))
    return (*parent.path, key)
