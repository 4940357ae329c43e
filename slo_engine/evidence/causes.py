"""Failing steps -> causes: failures that are alike. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
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

UrlOf = Callable[[Observation], str]
"""Where people look at the run of an observation."""


def causes_of(failures: Sequence[Failure], url_of: UrlOf) -> tuple[Cause, ...]:
    """Every cause, the most frequent first, with links to its newest runs. Steps of one kind and name whose messages
    say the same failed alike."""
    by_step: defaultdict[tuple[str, str], list[Failure]] = defaultdict(list)
    for failure in failures:
        # One provider's outage hits its models alike, and every call of a model may have a name of its own.
        name = "" if failure.step.type == MODEL_CALL else failure.step.name
        by_step[failure.step.type, name].append(failure)
    causes = [
        _cause(cluster.message, [alike[index] for index in cluster.members], len(failures), url_of)
        for alike in by_step.values()
        for cluster in clustered([failure.message for failure in alike])
    ]
    return tuple(sorted(causes, key=lambda cause: (-cause.count, cause.what, cause.message)))


def step_name(row: Observation) -> str:
    """A step as people call it: ``tool web_search``, ``model gpt-5-mini``."""
    return _what(row.type, row.name, row.model)


def links(rows: Iterable[Observation], url_of: UrlOf, most: int = EXAMPLES) -> tuple[TraceLink, ...]:
    """The newest runs among some observations."""
    newest = sorted(rows, key=lambda row: row.start_time, reverse=True)
    by_trace = {row.trace_id: row for row in reversed(newest)}
    chosen = sorted(by_trace.values(), key=lambda row: row.start_time, reverse=True)[:most]
    return tuple(TraceLink(row.trace_id, url_of(row), row.start_time) for row in chosen)


def _cause(message: str, failures: Sequence[Failure], of: int, url_of: UrlOf) -> Cause:
    # Scrubbing a name takes a while, and there are few.
    steps = Counter((failure.step.type, failure.step.name, failure.step.model) for failure in failures)
    names: Counter[str] = Counter()
    for step, count in steps.items():
        names[_what(*step)] += count
    times = [failure.step.start_time for failure in failures]
    return Cause(
        what=next(iter(names)) if len(names) == 1 else _models(names),
        message=message,
        count=len(failures),
        share=len(failures) / of,
        first_seen=min(times),
        last_seen=max(times),
        examples=links((failure.step for failure in failures), url_of),
        environments=tuple(
            name for name, _ in Counter(failure.step.environment or "" for failure in failures).most_common()
        ),
    )


def _models(names: Counter[str]) -> str:
    """Several models, the most frequent first: ``models a, b and 3 more``."""
    ordered = [name.removeprefix("model ") for name, _ in sorted(names.items(), key=lambda each: (-each[1], each[0]))]
    more = f" and {len(ordered) - NAMED_MODELS} more" if len(ordered) > NAMED_MODELS else ""
    return f"models {', '.join(ordered[:NAMED_MODELS])}{more}"


@lru_cache(maxsize=1024)
def _what(type_: str, own_name: str, model: str) -> str:
    kind = _KINDS.get(type_, type_.lower())
    name = model if type_ == MODEL_CALL and model else own_name
    scrubbed = outgoing_text(f"{kind} {name}".strip()[:_LONGEST_SCRUBBED])
    text = _MASKED.sub(lambda match: f"<{match.group(1).lower()}>", scrubbed)
    return text if len(text) <= _MAX_NAME else text[: _MAX_NAME - 1] + "…"
