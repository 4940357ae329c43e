"""An observation -> the attributes by which failing runs are compared with healthy ones. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from slo_engine.traces import Observation, Selection

SAMPLE_RATE = "slo_engine_sample_rate"
"""The key of metadata in which :mod:`slo_engine.monitoring` says at which rate a successful run was kept."""

CHANGES = ("prompt", "release", "version", "model")
"""Attributes whose new values are changes that somebody made."""

_ABOUT_THE_FAILURE = frozenset(
    {"traceback", "error_category", "error", "exception", "status", "error_type", SAMPLE_RATE}
)
_OF_RUNS = frozenset({"model", "prompt", "release", "version", "environment", "trace", "user", "session"})
_LONGEST_VALUE = 80


def attributes_of(row: Observation, *, asked_tags: Collection[str] = ()) -> dict[str, str]:
    """By name, without those that are not set. ``asked_tags``: by which the run was found, so that all have them."""
    metadata = row.metadata or {}
    found = {
        "model": row.model or metadata.get("model", ""),
        "prompt": row.prompt or " ".join(filter(None, (metadata.get("prompt_name"), metadata.get("prompt_version")))),
        "release": row.release,
        "version": row.version,
        "environment": row.environment or "",
        "trace": row.trace_name or "",
        "user": row.user or "",
        "session": row.session or "",
    }
    found |= dict(_tags(row, asked_tags))
    for key, value in metadata.items():
        if key not in _ABOUT_THE_FAILURE and key not in ("model", "prompt_name", "prompt_version"):
            found[key] = found.get(key) or value
    return {name: value for name, value in found.items() if value and len(value) <= _LONGEST_VALUE}


def is_of_runs(name: str) -> bool:
    """Whether an attribute says what a run is, also where only failing ones have it; not so what an agent writes into
    its metadata."""
    return name in _OF_RUNS or name.startswith("tag")


def sample_rate_of(row: Observation) -> float:
    """At which rate runs like this were kept; 1.0 where the trace does not say."""
    try:
        rate = float((row.metadata or {}).get(SAMPLE_RATE, ""))
    except ValueError:
        return 1.0
    return rate if 0.0 < rate <= 1.0 else 1.0


def with_attributes(wanted: Selection, attributes: Mapping[str, str], example: Observation) -> Selection | None:
    """The observations of a selection that have these attributes as well; None where the server cannot be asked.
    ``example`` has them."""
    for name, value in attributes.items():
        metadata = example.metadata or {}
        if name == "prompt" and not example.prompt:
            keys = [key for key in ("prompt_name", "prompt_version") if metadata.get(key)]
            wanted = replace(wanted, metadata=(*wanted.metadata, *((key, metadata[key]) for key in keys)))
        elif name == "model" and not example.model:
            wanted = replace(wanted, metadata=(*wanted.metadata, ("model", value)))
        elif name in ("model", "release", "version", "environment", "user", "session"):
            wanted = replace(wanted, **{name: value})  # type: ignore[arg-type]
        elif name == "trace":
            wanted = replace(wanted, trace_name=value)
        elif name.startswith("tag "):
            tag = f"{name.removeprefix('tag ')}:{value}"
            wanted = replace(wanted, tags=(*wanted.tags, tag if tag in (example.tags or ()) else value))
        elif name in metadata:
            wanted = replace(wanted, metadata=(*wanted.metadata, (name, value)))
        else:
            return None
    return wanted


def told(attributes: Mapping[str, str]) -> str:
    """As people read it: ``prompt checkout v12, model gpt-5-mini``."""
    return ", ".join(f"{name} {value}" for name, value in attributes.items())


def _tags(row: Observation, asked: Collection[str]) -> Iterator[tuple[str, str]]:
    for tag in row.tags or ():
        if tag not in asked:
            name, separator, value = tag.partition(":")
            yield (f"tag {name}", value) if separator and value else ("tag", tag)
