"""A run's part of a trace: its own observation, and those of its calls."""

from __future__ import annotations

import time
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from slo_engine.monitoring.classify import classify_error
from slo_engine.monitoring.content import MARGIN, cut
from slo_engine.monitoring.endings import MAX_MESSAGE, frames, told
from slo_engine.monitoring.scope import current
from slo_engine.monitoring.tracing import Content, Kind, Prompt, Score, ScoreKind, Step, Trace, Tracing, with_tags
from slo_engine.monitoring.usage.model import plausible

if TYPE_CHECKING:
    from slo_engine.monitoring.prices import Prices
    from slo_engine.monitoring.usage import LLMUsage


MAX_MODELS: Final = 5
"""Models that a run's metadata name."""


def prompt_of(prompt: Any) -> Prompt:
    """A prompt of the LangFuse SDK; or its name; or name and version."""
    if isinstance(prompt, str):
        return Prompt(prompt)
    name, version = (getattr(prompt, "name", None), getattr(prompt, "version", None))
    if isinstance(prompt, tuple | list):
        name, version = (*prompt, None, None)[:2]
    return Prompt(str(name), int(version) if version is not None else None)


class RunTrace:
    """What a run says to its trace. A nested run's is a part of the outer run's trace. Its methods may raise."""

    __slots__ = ("__weakref__", "_let_go", "_owns_trace", "_prices", "_prompt", "step", "trace")

    def __init__(self, tracing: Tracing, agent_type: str, prices: Prices) -> None:
        self._prices = prices
        self._prompt: Prompt | None = None
        self._let_go: Content | None = None
        place = current.get()
        outer = place[0].traced if place is not None else None
        self._owns_trace = outer is None or outer.trace.is_done or outer.trace.tracing is not tracing
        if outer is None or self._owns_trace:
            self.trace: Trace = tracing.begin(agent_type)
            self.step: Step = self.trace.start("agent", agent_type)
            self.trace.owner = weakref.ref(self)
        else:
            self.trace = outer.trace
            self.step = outer.start("agent", agent_type)

    def parent_of_steps(self) -> Step:
        """The observation that the calling code is in: a tool call of this run, or the run."""
        place = current.get()
        tool = place[1] if place is not None and place[0].traced is self else None
        return tool if tool is not None and not tool.end_ns else self.step

    def start(self, kind: Kind, name: str, start_ns: int = 0) -> Step:
        """Begin an observation inside what is going on in this run."""
        step = self.trace.start(kind, str(name), self.parent_of_steps().span_id, start_ns)
        if kind == "generation":
            step.prompt = self._prompt
        return step

    def attributes_of(self, usage: LLMUsage, start_ns: int, time_to_first_token: float | None) -> dict[str, Any]:
        """Those of a generation, with what its output cost where its price is a listed one."""
        attributes = usage.for_trace(start_ns, time_to_first_token)
        cost = usage.cost_usd
        if cost:
            of_the_output = self._prices.output_cost(usage)
            if of_the_output is not None:
                details = attributes["cost_details"]
                details["input"], details["output"] = cost - of_the_output, of_the_output
        return attributes

    def keep(self) -> None:
        """Something in it has failed: its trace is kept, also when it was let go at its end."""
        self.trace.failed = True
        self._bring_back()

    def _bring_back(self) -> None:
        trace = self.trace
        owner = self if self._owns_trace or trace.owner is None else trace.owner()
        if owner is not None and owner._let_go is not None and trace.is_done and not trace.is_kept:
            content, owner._let_go = owner._let_go, None
            trace.tracing.bring_back(trace, content)

    def tool_call(
        self,
        tool_name: str,
        status: str,
        seconds: float | None,
        input: Any,  # noqa: A002 - LangFuse's name
        output: Any,
        error: BaseException | str | None,
    ) -> None:
        """A tool call that is over."""
        step = self._of_the_past("tool", tool_name, seconds)
        step.describe(input, output)
        if status != "success":
            fail(step, error if error is not None else status)
        step.end()

    def llm_call(
        self,
        usage: LLMUsage,
        seconds: float | None,
        time_to_first_token: float | None,
        input: Any,  # noqa: A002 - LangFuse's name
        output: Any,
        error: BaseException | str | None,
        metadata: Mapping[str, Any] | None,
    ) -> None:
        """A call of a model that is over."""
        step = self._of_the_past("generation", usage.name(), seconds)
        step.describe(input, output, metadata)
        step.attributes = self.attributes_of(usage, step.start_ns, time_to_first_token)
        if error is not None:
            fail(step, error)
        step.end()

    def add_score(self, name: str, value: float | str, *, is_boolean: bool, comment: str | None) -> None:
        """A judgement of it."""
        kind: ScoreKind = "CATEGORICAL" if isinstance(value, str) else "BOOLEAN" if is_boolean else "NUMERIC"
        self.trace.add_score(Score(self.trace.hex, name, value, kind, comment))
        limit = self.trace.tracing.keep_if_score_below.get(name)
        if limit is not None and not isinstance(value, str) and value < limit:
            self.trace.is_wanted = True
            self._bring_back()

    def update(
        self,
        input: Any,  # noqa: A002 - LangFuse's name
        output: Any,
        metadata: Mapping[str, Any] | None,
        user_id: str | None,
        session_id: str | None,
        tags: Sequence[str],
        prompt: Any = None,
    ) -> None:
        """What is known of it by now. ``prompt``: that of its model calls from here on."""
        trace = self.trace
        if prompt is not None:
            self._prompt = found = prompt_of(prompt)
            version = {} if found.version is None else {"prompt_version": found.version}
            metadata = {"prompt_name": found.name, **version, **(metadata or {})}
        self.step.describe(input, output, metadata)
        trace.user_id = user_id or trace.user_id
        trace.session_id = session_id or trace.session_id
        if tags:
            trace.tags = with_tags(trace.tags, [tags] if isinstance(tags, str) else tags)

    def finish(self) -> None:
        """The run is over, and with it the trace if it began it."""
        if self._owns_trace:
            self._name_models()
        self.step.end()
        if self._owns_trace:
            # As long as somebody holds the run, an error that comes to light later brings its trace back.
            self._let_go = self.trace.tracing.finish(self.trace)

    def _name_models(self) -> None:
        """In the run's metadata, by which LangFuse's own filters find it: its generations carry them alone."""
        told = (step.attributes["model"] for step in self.trace.steps if step.attributes is not None)
        models = list(dict.fromkeys(told))[:MAX_MODELS]
        if models and "model" not in (self.step.metadata or {}):
            self.step.metadata = {**(self.step.metadata or {}), "model": ", ".join(models)}

    def _of_the_past(self, kind: Kind, name: str, seconds: float | None) -> Step:
        lasted = int((plausible(seconds) or 0.0) * 1e9)
        return self.start(kind, name, time.time_ns() - lasted)


def fail(step: Step, error: BaseException | str, category: str | None = None) -> None:
    """Make an observation an ERROR that says why."""
    if not isinstance(error, BaseException):
        step.fail(cut(str(error), MAX_MESSAGE * MARGIN))
        return
    step.fail(told(error))
    about = {"error_category": str(category or classify_error(error)), "traceback": frames(error)}
    step.metadata = {**(step.metadata or {}), **about}
