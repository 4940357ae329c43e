"""The trace of a run while it grows: plain records, cheap to make, handed over whole when the run has ended.

Nothing here knows LangFuse. An agent only ever appends to a list; what becomes of the trace is decided when its run
ends (`Tracing.finish`), and done by somebody else's thread (`TraceSink`).
"""

from __future__ import annotations

import itertools
import os
import sys
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from slo_engine.monitoring.content import as_text, metadata_of

Kind = Literal["agent", "generation", "tool"]
ScoreKind = Literal["NUMERIC", "BOOLEAN", "CATEGORICAL"]

MAX_STEPS: Final = 1000
"""Observations of one trace that are kept; failed ones are kept above it, up to twice as many."""

_MASK_64: Final = (1 << 64) - 1


class Step:
    """One observation: a run, a model call or a tool call."""

    __slots__ = (
        *("attributes", "end_ns", "failed", "input", "is_left_out", "kind", "metadata", "name", "output"),
        *("parent_id", "prompt", "span_id", "start_ns", "status_message", "trace"),
    )

    def __init__(self, trace: Trace, kind: Kind, name: str, span_id: int, parent_id: int, start_ns: int) -> None:
        self.trace = trace
        self.kind = kind
        self.name = name
        self.span_id = span_id
        self.parent_id = parent_id
        self.start_ns = start_ns
        self.end_ns = 0
        self.failed = False
        self.is_left_out = False
        self.status_message: str | None = None
        self.input: str | None = None
        self.output: str | None = None
        self.metadata: dict[str, str] | None = None
        self.attributes: dict[str, Any] | None = None
        self.prompt: Prompt | None = None

    def describe(self, input: Any, output: Any, metadata: Mapping[str, Any] | None = None) -> None:  # noqa: A002 - LangFuse's name
        """Give it its input, output and metadata, as they are now; None: what it has."""
        if metadata is not None:
            self.metadata = {**(self.metadata or {}), **metadata_of(metadata)}
        if not self.trace.tracing.capture_content:
            return
        if input is not None:
            self.input = as_text(input)
        if output is not None:
            self.output = as_text(output)

    def fail(self, message: str) -> None:
        """Make it an ERROR, and its trace one that is kept."""
        self.trace.failed = True
        self.failed = True
        self.status_message = message

    def end(self) -> None:
        """It is over."""
        if self.end_ns:
            return
        self.end_ns = time.time_ns()
        trace = self.trace
        if trace.is_done:
            trace.tracing.late(self)
        elif self.failed and self.is_left_out and len(trace.steps) < 2 * MAX_STEPS:
            trace.steps.append(self)


class Prompt(NamedTuple):
    """A prompt that LangFuse manages. ``version`` None: not known."""

    name: str
    version: int | None = None


class Score(NamedTuple):
    """A judgement of a trace."""

    trace_id: str
    name: str
    value: float | str
    data_type: ScoreKind
    comment: str | None = None


class Trace:
    """A run with everything that happened in it."""

    __slots__ = (
        *("__weakref__", "_ids", "agent_type", "exemplar", "failed", "foreign", "hex", "id", "is_done", "is_kept"),
        *("is_sampled", "is_wanted", "owner", "scores", "session_id", "steps", "tags", "tracing", "user_id"),
    )

    def __init__(self, tracing: Tracing, agent_type: str) -> None:
        # Not from `random`: agents that seed it would get the same ids again, and their traces would run together.
        noise = os.urandom(24)
        self.tracing = tracing
        self.agent_type = agent_type
        self.id = int.from_bytes(noise[:16], "big") or 1
        self.hex = f"{self.id:032x}"
        self.exemplar = {"trace_id": self.hex}
        self._ids = itertools.count(int.from_bytes(noise[16:], "big"))
        self.is_sampled = tracing.samples(self.id)
        self.failed = False
        self.owner: weakref.ref[Any] | None = None
        """The run's part that it is of: `run_trace.RunTrace`."""
        self.is_wanted = False
        """Whether it is kept for its scores, whatever the sampling says."""
        self.is_done = False
        self.is_kept = False
        self.steps: list[Step] = []
        self.foreign: list[Any] = []
        self.scores: list[Score] = []
        self.tags: list[str] = [f"agent_type:{agent_type}"]
        self.user_id: str | None = None
        self.session_id: str | None = None

    def start(self, kind: Kind, name: str, parent_id: int = 0, start_ns: int = 0) -> Step:
        """Begin an observation; ``parent_id`` 0: the root."""
        span_id = next(self._ids) & _MASK_64 or next(self._ids) & _MASK_64
        step = Step(self, kind, name, span_id, parent_id, start_ns or time.time_ns())
        if self.is_done:
            return step  # it goes by itself when it ends: see Tracing.late
        if len(self.steps) < MAX_STEPS:
            self.steps.append(step)
        else:
            step.is_left_out = True
        return step

    def leave_out(self, step: Step) -> None:
        """Somebody else tells of it. What was begun in it belongs to what it was in itself."""
        if step in self.steps:
            self.steps.remove(step)
        for each in self.steps:
            if each.parent_id == step.span_id:
                each.parent_id = step.parent_id

    def add_foreign(self, span: Any, *, failed: bool) -> None:
        """Take what another instrument saw of it, within the same limits."""
        self.failed = self.failed or failed
        if len(self.foreign) < (2 * MAX_STEPS if failed else MAX_STEPS):
            self.foreign.append(span)

    def add_score(self, score: Score) -> None:
        """Score it, now or after its end: evaluators take their time."""
        if not self.is_done:
            if len(self.scores) < MAX_STEPS:
                self.scores.append(score)
        elif self.is_kept:
            self.tracing.sink.put_score(score)

    def exemplar_for(self, failed: bool) -> dict[str, str] | None:
        """Its id for an exemplar, if it is certain by now that this trace will be kept."""
        return self.exemplar if failed or self.is_sampled or self.failed or self.is_wanted else None


Content: TypeAlias = "tuple[list[Step], list[Score], list[Any]]"
"""Steps, scores and what other instruments saw of a trace."""


class TraceSink(Protocol):
    """Where kept traces go. Every method but `flush` returns at once."""

    def put(self, trace: Trace) -> None:
        """Take a trace whose root has ended."""

    def put_late(self, step: Step) -> None:
        """Take an observation that ended after its trace."""

    def put_score(self, score: Score) -> None:
        """Take a score that came after its trace."""

    def flush(self, timeout: float) -> bool:
        """Wait until nothing waits, ``timeout`` seconds at most. Whether everything since the last time was taken."""


class Tracing:
    """Which traces are kept, and where they go.

    ``sample_rate``: the share of traces without an error that are kept, 0 to 1; a trace with an error in it is always
    kept, whole. Decided from the trace id, so that all processes of a distributed agent decide alike.
    ``keep_if_score_below``: names of scores, and below which value a trace that has one is kept like a failing one.
    """

    def __init__(
        self,
        sink: TraceSink,
        sample_rate: float = 1.0,
        *,
        capture_content: bool = True,
        keep_if_score_below: Mapping[str, float] | None = None,
    ) -> None:
        if not 0 <= sample_rate <= 1:
            raise ValueError(f"sample_rate is a share between 0 and 1, not {sample_rate}")
        self.sink = sink
        self.capture_content = capture_content
        self.sample_rate = sample_rate
        self.keep_if_score_below = dict(keep_if_score_below or {})
        self._kept_below = int(sample_rate * (1 << 64))
        self.open: weakref.WeakValueDictionary[int, Trace] = weakref.WeakValueDictionary()

    def samples(self, trace_id: int) -> bool:
        """Whether a trace of this id is kept when nothing in it fails."""
        return (trace_id & _MASK_64) < self._kept_below

    def begin(self, agent_type: str) -> Trace:
        """A new trace."""
        trace = Trace(self, agent_type)
        self.open[trace.id] = trace
        return trace

    def finish(self, trace: Trace) -> Content | None:
        """Its root has ended: keep it, or let it go. Answers what was in one that is let go."""
        trace.is_kept = trace.failed or trace.is_sampled or trace.is_wanted
        trace.is_done = True
        self.open.pop(trace.id, None)
        if trace.is_kept:
            self.sink.put(trace)
            return None
        content = (trace.steps, trace.scores, trace.foreign)
        trace.steps, trace.scores, trace.foreign = [], [], []
        return content

    def bring_back(self, trace: Trace, content: Content) -> None:
        """Keep one that was let go after all, with what was in it."""
        trace.steps, trace.scores, trace.foreign = content
        trace.is_kept = True
        self.sink.put(trace)

    def finish_all(self) -> None:
        """No run goes on: the process ends."""
        for reference in self.open.valuerefs():
            trace = reference()
            if trace is not None and not trace.is_done:
                self.finish(trace)

    def late(self, step: Step) -> None:
        """An observation ended after its trace: it follows a kept one; of a dropped one an error is still told."""
        if step.trace.is_kept or step.failed:
            self.sink.put_late(step)

    def flush(self, timeout: float = 2.0) -> bool:
        """Wait until no trace waits, ``timeout`` seconds at most. True: LangFuse has taken all traces and scores since
        the last call; False: some are still on their way, or were refused, given up or dropped since then."""
        return self.sink.flush(timeout)


def ambient_exemplar() -> dict[str, str] | None:
    """The trace that OpenTelemetry knows, for agents that are traced by something else than LangFuse."""
    api: Any = sys.modules.get("opentelemetry.trace")
    if api is None:
        return None
    context = api.get_current_span().get_span_context()
    is_sampled = context.trace_flags & 1  # one that is not valid is not sampled either
    return {"trace_id": f"{context.trace_id:032x}"} if is_sampled else None


def with_tags(tags: Sequence[str], more: Sequence[str]) -> list[str]:
    """Both without repetition, in their order."""
    return list(dict.fromkeys([*tags, *more]))
