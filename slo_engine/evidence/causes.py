"""Failing steps -> causes: failures that are alike. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from slo_engine.evidence.failing_step import Failure
from slo_engine.evidence.messages import clustered
from slo_engine.evidence.model import Cause, TraceLink
from slo_engine.scrub.outgoing import outgoing_text
from slo_engine.traces import Observation

MAX_CAUSES = 5
EXAMPLES = 2

_MAX_NAME = 100
_LONGEST_SCRUBBED = 4000

MODEL_CALL = "GENERATION"
NAMED_MODELS = 3

_KINDS = {MODEL_CALL: "model"}
_MASKED = re.compile(r"\[([A-Z]{2,12})\]")
"""What the scrubber leaves behind."""

_ID = re.compile(
    r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
    r"|(?<![A-Za-z0-9])(?=[a-fA-F]{0,40}[0-9])[0-9a-fA-F]{8,64}(?![A-Za-z0-9])"
    r"|(?<=\bcall_)(?=[A-Za-z]{0,40}[0-9])[A-Za-z0-9]{8,64}"
)
_NUMBER = re.compile(r"(?<![A-Za-z0-9])[0-9]{3,20}(?![A-Za-z0-9])")

UrlOf = Callable[[Observation], str]
"""Where people look at the run of an observation."""


@dataclass(frozen=True)
class Alike:
    """Failures that are one cause, and what their messages have in common."""

    message: str
    failures: tuple[Failure, ...]


def alike(failures: Sequence[Failure]) -> list[Alike]:
    """The failures by cause, the most frequent first. Steps of one kind and name whose messages say the same failed
    alike."""
    by_step: defaultdict[tuple[str, str], list[Failure]] = defaultdict(list)
    for failure in failures:
        # One provider's outage hits its models alike, and every call of a model may have a name of its own.
        name = "" if failure.step.type == MODEL_CALL else without_ids(failure.step.name)
        by_step[failure.step.type, name].append(failure)
    found = [
        Alike(cluster.message, tuple(same[index] for index in cluster.members))
        for same in by_step.values()
        for cluster in clustered([failure.message for failure in same])
    ]
    return sorted(found, key=lambda each: (-len(each.failures), named(each.failures), each.message))


def causes_of(failures: Sequence[Failure], url_of: UrlOf) -> tuple[Cause, ...]:
    """Every cause, the most frequent first, with links to its newest runs."""
    return tuple(_cause(each, len(failures), url_of) for each in alike(failures))


def without_ids(name: str) -> str:
    """The name of a step without what differs from run to run: ``GET /orders/<n>``."""
    return _NUMBER.sub("<n>", _ID.sub("<id>", name))


def step_name(row: Observation) -> str:
    """A step as people call it: ``tool web_search``, ``model gpt-5-mini``."""
    return _what(row.type, row.name, row.model)


def links(rows: Iterable[Observation], url_of: UrlOf, most: int = EXAMPLES) -> tuple[TraceLink, ...]:
    """The newest runs among some observations."""
    newest = sorted(rows, key=lambda row: row.start_time, reverse=True)
    by_trace = {row.trace_id: row for row in reversed(newest)}
    chosen = sorted(by_trace.values(), key=lambda row: row.start_time, reverse=True)[:most]
    return tuple(TraceLink(row.trace_id, url_of(row), row.start_time) for row in chosen)


def _cause(found: Alike, of: int, url_of: UrlOf) -> Cause:
    failures = found.failures
    times = [failure.step.start_time for failure in failures]
    environments = Counter(failure.step.environment or "" for failure in failures)
    return Cause(
        what=named(failures),
        message=found.message,
        count=len(failures),
        share=len(failures) / of,
        first_seen=min(times),
        last_seen=max(times),
        examples=links((failure.step for failure in failures), url_of),
        environments=tuple(name for name, _ in environments.most_common() if name),
    )


def named(failures: Iterable[Failure]) -> str:
    """What failed in them: ``tool web_search``, or several models."""
    # Scrubbing a name takes a while, and there are few.
    steps = Counter((failure.step.type, failure.step.name, failure.step.model) for failure in failures)
    names: Counter[str] = Counter()
    for step, count in steps.items():
        names[_what(*step)] += count
    return next(iter(names)) if len(names) == 1 else _models(names)


def _models(names: Counter[str]) -> str:
    """Several models, the most frequent first: ``models a, b and 3 more``."""
    ordered = [name.removeprefix("model ") for name, _ in sorted(names.items(), key=lambda each: (-each[1], each[0]))]
    more = f" and {len(ordered) - NAMED_MODELS} more" if len(ordered) > NAMED_MODELS else ""
    return f"models {', '.join(ordered[:NAMED_MODELS])}{more}"


@lru_cache(maxsize=1024)
def _what(type_: str, own_name: str, model: str) -> str:
    kind = _KINDS.get(type_, type_.lower())
    name = model if type_ == MODEL_CALL and model else without_ids(own_name)
    scrubbed = outgoing_text(f"{kind} {name}".strip()[:_LONGEST_SCRUBBED])
    text = _MASKED.sub(lambda match: f"<{match.group(1).lower()}>", scrubbed)
    return text if len(text) <= _MAX_NAME else text[: _MAX_NAME - 1] + "…"
