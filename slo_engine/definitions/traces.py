"""Which traces in LangFuse explain the errors of an SLO: templates over the labels of the alert's group.

An SLO is tied to its traces by what it writes under ``traces`` or by labels that :mod:`slo_engine.monitoring` sets.
Where neither is so, no trace is asked for: the failures of somebody else would be a false cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from types import SimpleNamespace
from typing import Literal

from jinja2 import StrictUndefined, Template, TemplateError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from slo_engine.definitions.promql import Selector
from slo_engine.errors import SloEngineError

_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)

Event = Literal["run", "tool", "model_call", "first_token"]
"""What an SLI counts or measures, as it stands in a trace: a whole run, one of its tool calls or model calls, the time
until a model's first token."""

METRICS: Mapping[str, Event] = {
    "agent_requests_total": "run",
    "agent_errors_total": "run",
    "agent_request_duration_seconds": "run",
    "agent_tool_calls_total": "tool",
    "llm_api_calls_total": "model_call",
    "llm_call_duration_seconds": "model_call",
    "llm_time_to_first_token_seconds": "first_token",
}
"""The counters and durations of :mod:`slo_engine.monitoring`."""

_OF_A_CALL: tuple[tuple[re.Pattern[str], Event], ...] = (
    (re.compile(r"first_?token|ttft", re.IGNORECASE), "first_token"),
    (re.compile(r"gen_ai_client_operation|llm_api_latency|llm_call|model_call", re.IGNORECASE), "model_call"),
    (re.compile(r"tool_call|tool_duration|tool_execution", re.IGNORECASE), "tool"),
)
"""Names of other instruments' metrics that are not about a whole run."""

_IN_NO_TRACE = re.compile(
    r"inter_?token|per_output_?token|queue|wait|tpot|prefill|decode|first_byte|ttfb", re.IGNORECASE
)
"""Durations that no observation of a trace has."""


def event_of(metric: str) -> Event | None:
    """What a metric is about; None: something that no trace shows."""
    if metric in METRICS:
        return METRICS[metric]
    if _IN_NO_TRACE.search(metric):
        return None
    return next((event for pattern, event in _OF_A_CALL if pattern.search(metric)), "run")


_FAILURE = re.compile(r"err|fail|exception|timeout|crash|abort|panic|5\\?d|5\.\.|5xx|[45]\d\d|unsuccess", re.IGNORECASE)
_SUCCESS = re.compile(r"succe|ok|pass|complete|2\\?d|2\.\.|2xx|200|done|finish", re.IGNORECASE)


def counts_failures(part: Selector, *, is_good: bool) -> bool:
    """Whether what a selector counts has failed (or with ``is_good``: succeeded), as its name and its matchers say. A
    thumb down or a cache miss is no failure, whatever its SLO makes of it."""
    if part.metric in METRICS:
        return True
    if not is_good and _FAILURE.search(part.metric):
        return True
    for matcher in part.matchers:
        is_negated = matcher.op.startswith("!")
        wanted = _SUCCESS if is_good != is_negated else _FAILURE
        # error_type!="" is a failure, and error_type="" is none.
        names_an_error = (matcher.value == "") == is_negated
        if wanted.search(matcher.value) or (_FAILURE.search(matcher.name) and names_an_error != is_good):
            return True
    return bool(is_good and _SUCCESS.search(part.metric))


class TraceTemplateError(SloEngineError):
    """A template that cannot be rendered from the labels of the SLO."""


@dataclass(frozen=True)
class Failed:
    """What failed explains the errors: runs, or calls in them."""

    event: Event = "run"


@dataclass(frozen=True)
class Slow:
    """What took longer explains the errors."""

    seconds: float
    event: Event = "run"


@dataclass(frozen=True)
class LowScore:
    """Traces with a score of at most this explain the errors."""

    above: float


@dataclass(frozen=True)
class Spent:
    """What was paid for explains the errors: Prometheus knows, by the counter of money."""

    spend: Selector


Explanation = Failed | Slow | LowScore | Spent
"""What explains the errors of an SLI."""


@dataclass(frozen=True)
class TraceQuery:
    """Which traces an SLO is about, and what in them: each key narrows it. Texts are templates until ``render``."""

    tags: tuple[str, ...] = ()
    """A trace must carry all of them."""
    observation: str | None = None
    """The name of the step that counts, such as a tool; None: the run."""
    model: str | None = None
    """Of the model calls that count."""
    environment: str | None = None
    name: str | None = None
    """Of the trace."""
    user: str | None = None
    session: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    """Of the observations that count."""
    score: str | None = None
    """The name of the score in LangFuse."""

    def templates(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Every template, and where it stands under ``traces``."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str):
                yield (field.name,), value
        yield from ((("tags", index), tag) for index, tag in enumerate(self.tags))
        yield from ((("metadata", key), text) for key, text in self.metadata)

    def render(self, labels: Mapping[str, str]) -> TraceQuery:
        """The query for one group. Raises TraceTemplateError when a label is missing."""
        texts = {
            field.name: render(value, labels)
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), str)
        }
        tags = tuple(render(tag, labels) for tag in self.tags)
        metadata = tuple((key, render(text, labels)) for key, text in self.metadata)
        return replace(self, tags=tags, metadata=metadata, **texts)


_BY_LABEL: Mapping[str, str] = {
    "agent_type": "tags",
    "tool_name": "observation",
    "model": "model",
    "score_name": "score",
}
"""The labels of :mod:`slo_engine.monitoring`, and what of a trace each names: ``agent_type`` is the tag
``agent_type:support_agent``."""


def names_in_traces(labels: Mapping[str, str]) -> dict[str, str]:
    """Of the labels of an alert, those that name something in a trace."""
    return {label: value for label, value in labels.items() if label in _BY_LABEL}


def default_query(by: Iterable[str], selectors: Iterable[Selector]) -> TraceQuery | None:
    """The query of an SLO that writes none: by those labels of ``by``, and those that its series are chosen by, which
    our library sets. None: there is no such label."""
    values = {label: f"{{{{ labels.{label} }}}}" for label in by if label in _BY_LABEL}
    chosen = [
        {matcher.name: matcher.value for matcher in selector.matchers if matcher.op == "=" and matcher.value}
        for selector in selectors
    ]
    for label in _BY_LABEL:
        named = {each.get(label) for each in chosen}
        if label not in values and len(named) == 1 and (value := named.pop()) is not None:
            values[label] = _literal(value)
    if not values:
        return None
    query = TraceQuery()
    for label, value in values.items():
        field = _BY_LABEL[label]
        found = (*query.tags, f"{label}:{value}") if field == "tags" else value
        query = replace(query, **{field: found})  # type: ignore[arg-type]
    return query


def _literal(value: str) -> str:
    """A template that says exactly this."""
    return f"{{{{ {value!r} }}}}" if re.search(r"\{[{%#]", value) else value


def render(template: str, labels: Mapping[str, str]) -> str:
    """Fill in one template. Raises TraceTemplateError when a label is missing."""
    try:
        return _compiled(template).render(labels=SimpleNamespace(**labels))
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise TraceTemplateError(f"the trace template {template!r} cannot be filled in: {error}") from None


def check_template(template: str, by: Iterable[str]) -> None:
    """Refuse a template that is not Jinja2, or that uses more than ``labels.<a label of by>``."""
    known = set(by)
    try:
        tree = _ENVIRONMENT.parse(template)
        unknown = sorted(meta.find_undeclared_variables(tree) - {"labels"})
    except TemplateError as error:
        raise TraceTemplateError(f"is not a Jinja2 template: {error.message}") from None
    unknown += sorted({node.attr for node in tree.find_all(nodes.Getattr)} - known)
    if unknown:
        offered = ", ".join(f"labels.{label}" for label in sorted(known)) or "nothing, as `by` is empty"
        raise TraceTemplateError(f"uses {unknown[0]!r}, which the group does not have; it offers {offered}")
    render(template, dict.fromkeys(known, "x"))  # what only shows when it is filled in, such as an unknown filter


@lru_cache(maxsize=1024)
def _compiled(template: str) -> Template:
    return _ENVIRONMENT.from_string(template)
