"""The ERROR observations of a run -> the one step to blame. Pure.

The step to blame is the deepest that failed: it is nobody's failing parent. Where several are, what the run itself says
decides, then time: a run that went on after a step had caught its error. What was cancelled because something else had
failed, and what waits for a person, is not to blame.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from slo_engine.evidence.error_texts import error_text
from slo_engine.traces import Observation

_MAY_BE = re.compile(r"nterrupt|BubbleUp|ParentCommand|Approval|ancel|GeneratorExit|bort")
"""What is in each message of the two kinds below: most have none of it, and need no closer look."""

_INTERRUPT = re.compile(
    r"(?:\w+\.)*(?:(?:Graph|Node|Human|Task)Interrupt|GraphBubbleUp|ParentCommand|\w*ApprovalRequired)\b.*"
    r"|[(\[]*Interrupt\(.*"
)
"""How frameworks stop a run until a person answers: LangGraph raises through all steps, which LangFuse shows as
errors."""

_CANCELLED = re.compile(
    r"(?:\w+\.)*(?:Cancell?ed(?:Error)?|GeneratorExit|AbortError)\b(?:: .*)?|Cancelled by cancel scope.*"
    r"|(?:(?:The|This) )?(?:operation|request|task|run|user) (?:was |has been )?(?:aborted|cancell?ed)"
    r"(?: a request)?\.?"
    r"|context cancell?ed",
    re.IGNORECASE,
)
"""The whole message: a booking that was cancelled is something else."""

_SPECIFIC = {"TOOL": 0, "GENERATION": 0, "RETRIEVER": 0, "EMBEDDING": 0, "GUARDRAIL": 0, "EVALUATOR": 0, "AGENT": 1}
"""Types that do one thing rank before those that hold others (2)."""

_SHORTEST_REPEATED = 8
"""Characters of a message for the run's message to count as repeating it: "failed" is said by everybody."""

_SAYS_WHY = re.compile(
    r"\b[A-Za-z_.]*(?:Error|Exception|Exceeded|Limit|Timeout)\w*: *\S+|\b[A-Z]\w+(?:Exceeded|Limit)\b"
)
"""A message of a run that names a fault of its own, unlike "agent failed"."""

_AT_THE_END = 0.1
_AT_THE_END_SECONDS = 1.0
"""An error that a run ends with ends in the last tenth of it, or in the last second."""

_SAME_MOMENT = timedelta(milliseconds=2)


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that failed, or a call in it, and the step to blame."""

    step: Observation
    root: Observation | None
    """The run, where it was read."""

    @property
    def message(self) -> str:
        """What the step says or, where it says nothing, the run."""
        return self.step.status_message or (self.root.status_message if self.root else "")


@dataclass(frozen=True)
class Verdicts:
    """What became of the runs with an ERROR observation."""

    failures: tuple[Failure, ...] = ()
    uncertain: tuple[Failure, ...] = ()
    """A top-level step of the trace failed, and nothing shows that it is the run."""
    waiting: tuple[Observation, ...] = ()
    """Runs that wait for a person."""


@dataclass
class _Run:
    roots: list[Observation] = field(default_factory=list)
    steps: list[Observation] = field(default_factory=list)


def failed_calls(rows: Iterable[Observation]) -> Verdicts:
    """Verdicts on failing calls, of a tool or a model, whatever became of their runs: each is to blame itself."""
    rows = list(rows)
    waiting = tuple(row for row in rows if is_interrupt(row))
    return Verdicts(tuple(Failure(row, None) for row in rows if not is_interrupt(row)), waiting=waiting)


def failed_runs(
    roots: Iterable[Observation],
    steps: Iterable[Observation],
    *,
    named: Iterable[str] = (),
    others: Mapping[str, Sequence[Observation]] | None = None,
) -> Verdicts:
    """Verdicts on runs, from the ERROR observations at the top level of their traces and those below.

    ``named``: what the run is called, such as the agent's name. ``others``: trace -> its top-level observations of any
    level, where all of them are known: a top-level step that failed beside a run that did not was caught. Of a trace
    that is not there, only what is named so is sure to be a run.
    """
    runs: defaultdict[str, _Run] = defaultdict(_Run)
    for root in roots:
        runs[root.trace_id].roots.append(root)
    for step in steps:
        if step.trace_id in runs:  # an agent that caught a tool's error and went on has not failed
            runs[step.trace_id].steps.append(step)
    names = set(named)
    failures: list[Failure] = []
    uncertain: list[Failure] = []
    waiting: list[Observation] = []
    for trace_id, run in runs.items():
        known = (others or {}).get(trace_id)
        top = list({each.id: each for each in (*run.roots, *(known or ()))}.values())
        sure = _the_runs(top, names, is_all=known is not None)
        for root in [each for each in sure if each.level == "ERROR"] if sure else [max(run.roots, key=_weight)]:
            inside = [each for each in (*run.steps, *run.roots) if each.id != root.id and _is_inside(each, root, sure)]
            if is_interrupt(root):
                waiting.append(root)
            else:
                (failures if sure else uncertain).append(Failure(culprit(root, inside), root))
    return Verdicts(tuple(failures), tuple(uncertain), tuple(waiting))


def _is_inside(step: Observation, root: Observation, runs: Sequence[Observation]) -> bool:
    """Whether a step is one of this run, where its trace holds several: a conversation, say."""
    if len(runs) < 2:
        return True
    if any(step.parent_id == run.id for run in runs):
        return step.parent_id == root.id
    return root.start_time - _SAME_MOMENT <= step.start_time <= root.ended_at and step.id not in {
        run.id for run in runs
    }


def culprit(root: Observation, steps: Sequence[Observation]) -> Observation:
    """The step to blame for the failure of a run; the run itself where none is."""
    by_id = {step.id: step for step in steps}
    parents = {step.parent_id for step in steps if step.parent_id in by_id}
    leaves = [step for step in steps if step.id not in parents]
    candidates = [step for step in leaves if not is_interrupt(step) and not is_cancelled(step)]
    if not candidates:
        # A wrapper may know better than the cancelled step in it.
        candidates = [step for step in steps if not is_interrupt(step) and not is_cancelled(step)]
    if _SAYS_WHY.search(root.status_message[:500]):
        # The run failed by itself, unless with what it says or in what it ended with.
        candidates = [step for step in candidates if _repeats(root, step) or _ends_with(root, step)]
    if len(candidates) < 2:
        return candidates[0] if candidates else root
    # A sibling that was cancelled may say nothing at all.
    candidates = [step for step in candidates if step.status_message] or candidates
    # A parent that did not fail has caught the error.
    passed_on = [step for step in candidates if step.parent_id in ("", root.id) or step.parent_id in by_id]
    repeated = [step for step in candidates if _repeats(root, step)]
    candidates = repeated or _not_survived(passed_on or candidates)
    return min(candidates, key=lambda step: (*_order(step, by_id), step.id))


def is_interrupt(row: Observation) -> bool:
    """Whether an error is a run that stops until a person answers."""
    return _is(row, _INTERRUPT)


def is_cancelled(row: Observation) -> bool:
    """Whether an error is a step that was told to stop."""
    return _is(row, _CANCELLED)


def _is(row: Observation, kind: re.Pattern[str]) -> bool:
    message = row.status_message
    return bool(_MAY_BE.search(message)) and bool(kind.fullmatch(error_text(message).text))


def _the_runs(top: Sequence[Observation], names: set[str], *, is_all: bool) -> list[Observation]:
    """Which of the top-level observations of a trace are runs; none: that cannot be told. ``is_all``: these are all
    that there are."""
    named = [each for each in top if each.name in names]
    if named or not is_all:
        return named
    sure = [each for each in top if each.type == "AGENT" or (each.trace_name and each.name == each.trace_name)]
    if sure:
        return [max(sure, key=lambda each: (each.type == "AGENT", _weight(each)))]
    # Beside others, the one that lasted as long as all of them is the run.
    longest = max(top, key=_weight)
    if len(top) > 1 and all(
        longest.start_time <= each.start_time and longest.ended_at >= each.ended_at for each in top
    ):
        return [longest]
    return []


def _ends_with(root: Observation, step: Observation) -> bool:
    rest = (root.ended_at - step.ended_at).total_seconds()
    return rest <= max(_AT_THE_END_SECONDS, _AT_THE_END * (root.ended_at - root.start_time).total_seconds())


def _weight(row: Observation) -> tuple[timedelta, str]:
    return row.ended_at - row.start_time, row.id


def _repeats(root: Observation, step: Observation) -> bool:
    said, message = _bare(root.status_message), _bare(step.status_message)
    return len(message) >= _SHORTEST_REPEATED and (
        message in said or (len(said) >= _SHORTEST_REPEATED and said in message)
    )


def _bare(message: str) -> str:
    return " ".join(message[:2000].split()).lower()


def _not_survived(candidates: Sequence[Observation]) -> list[Observation]:
    """Without those after whose end another one began: the run had gone on."""
    last = max(step.start_time for step in candidates)
    return [step for step in candidates if step.start_time == last or step.ended_at + _SAME_MOMENT > last]


def _order(step: Observation, by_id: Mapping[str, Observation]) -> tuple[float, int, int]:
    """What is to blame first: it ended first; of one moment, the deepest, and the most specific."""
    depth, seen = 0, {step.id}
    above = by_id.get(step.parent_id)
    while above is not None and above.id not in seen:
        seen.add(above.id)
        depth, above = depth + 1, by_id.get(above.parent_id)
    return step.ended_at.timestamp(), -depth, _SPECIFIC.get(step.type, 2)
