"""Where slow runs spend their time: which step's own time grew, against runs that were not slow."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from slo_engine import amounts
from slo_engine.definitions.traces import Slow
from slo_engine.evidence.attributes import sample_rate_of
from slo_engine.evidence.causes import links
from slo_engine.evidence.findings import good_of
from slo_engine.evidence.own_time import StepTime, step_times
from slo_engine.evidence.queries import asked
from slo_engine.evidence.reading import slow, steps_of
from slo_engine.evidence.rendering import rendered, trace_links
from slo_engine.evidence.source import Backends
from slo_engine.evidence.subject import Subject
from slo_engine.notifications import Section
from slo_engine.traces import Observation

MOST_RUNS = 60
"""Runs of each side whose steps are read."""

MOST_STEPS = 3
CLEAR = 0.3
"""The smallest share of the difference for a step to be named."""

_NOUNS = {"run": "runs", "tool": "tool calls", "model_call": "model calls", "first_token": "first tokens"}


class SlowSteps:
    """Asks LangFuse for slow runs by their latency, and for the steps of some of them."""

    name = "slow_steps"
    backend = "langfuse"

    def __init__(self, backends: Backends) -> None:
        self._findings = backends.findings

    def wants(self, subject: Subject) -> bool:
        """Slow runs explain slow events."""
        return self._findings is not None and subject.query is not None and isinstance(subject.explained_by, Slow)

    async def gather(self, subject: Subject, deadline: float) -> Section | None:
        """The slow runs of the window, and where their time goes."""
        findings, wanted = self._findings, subject.explained_by
        assert findings is not None  # which wants() asks for, as it does for the next line
        assert isinstance(wanted, Slow)
        found = await findings.slow(subject, deadline)
        rows = [row for row, _ in found]
        wanted_rows, _ = slow(subject)
        steps: Sequence[StepTime] = ()
        compared = 0
        if rows and wanted.event == "run":
            fast = [row for row, _ in await findings.good(subject, deadline)]
            compared = len(_spread(fast))
            of_slow, of_fast = await asyncio.gather(
                steps_of(findings.traces, wanted_rows, _spread(rows), deadline=deadline),
                steps_of(findings.traces, wanted_rows, _spread(fast), deadline=deadline) if fast else _nothing(),
            )
            times = await asyncio.to_thread(step_times, list(of_slow.values()), list(of_fast.values()))
            steps = [each for each in times[:MOST_STEPS] if each.share >= CLEAR / 2]
        in_all = sum(weight / sample_rate_of(row) for row, weight in found)
        examples = links(rows, findings.traces.url_of)
        noun = _NOUNS[wanted.event]
        text = rendered(
            "slow_steps.txt.j2", rows=rows, in_all=in_all, steps=steps, compared=compared, noun=noun, wanted=wanted
        )
        return Section(
            self.name,
            text,
            trace_links(examples),
            {
                "source": "langfuse",
                "from": subject.since.isoformat(),
                "to": subject.until.isoformat(),
                "seconds": wanted.seconds,
                "slow": len(rows),
                "slow_in_all_estimated": round(in_all),
                "compared_with": compared,
                "steps": [each.as_json() for each in steps],
                "traces": [each.as_json() for each in examples],
                "answer": _answer(steps, len(rows), noun, wanted.seconds),
                "query": asked(wanted_rows),
                "compared_query": asked(good_of(subject)),
            },
            is_empty=not rows,
        )


def _answer(steps: Sequence[StepTime], count: int, noun: str, seconds: float) -> str | None:
    if not count:
        return None
    if not steps or steps[0].share < CLEAR:
        return f"{count:,} {noun} read took longer than {seconds:g} s; no step stands out."
    step = steps[0]
    return (
        f"{amounts.about_percent(step.share)} of the time that slow {noun} take longer: {step.step} "
        f"({amounts.length(step.slow)} of its own in each; {amounts.length(step.fast)} in others; "
        f"{count:,} {noun} read took longer than {seconds:g} s)."
    )


def _spread(rows: Sequence[Observation]) -> list[Observation]:
    """Some of the runs, evenly from all of them."""
    step = max(1, len(rows) / MOST_RUNS)
    return [rows[int(index * step)] for index in range(min(MOST_RUNS, len(rows)))]


async def _nothing() -> dict[str, list[Observation]]:
    return {}
