"""Runs that the error series itself names: the trace ids of its exemplars. These very runs failed, or were slow."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from slo_engine.definitions.traces import Failed
from slo_engine.evidence.causes import MAX_CAUSES, causes_of, links
from slo_engine.evidence.failing_step import Failure, failed_calls, failed_runs
from slo_engine.evidence.model import Cause
from slo_engine.evidence.reading import Traces
from slo_engine.evidence.rendering import rendered, trace_links
from slo_engine.evidence.second_backend import SecondBackend
from slo_engine.evidence.source import Backends
from slo_engine.evidence.subject import Subject
from slo_engine.notifications import Section
from slo_engine.prometheus import Exemplar
from slo_engine.traces import Observation, Observations, Selection, TracesError

MOST_TRACES = 50
"""Ids that are looked up: they stand in the address of a request."""

MOST_ROWS = 1000

BEGAN_BEFORE = timedelta(hours=1)
"""How long before the window a run may have begun: its exemplar carries the time of its end."""

CLEAR = 0.2
"""The smallest share of failures for a cause to be the answer, as for the causes of all failing runs."""

_LABELS = ("trace_id", "traceID", "TraceID")
"""What exemplars call the trace: OpenTelemetry and slo_engine.monitoring; Grafana's and Tempo's examples."""

_TRACE_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class _Read:
    """What LangFuse has of the traces."""

    roots: Sequence[Observation] = ()
    failed: Sequence[Failure] = ()
    """The failures whose step is known."""
    reason: str | None = None
    """Why it could not be asked."""

    @property
    def traces(self) -> int:
        return len({row.trace_id for row in self.roots})


class Exemplars:
    """Asks Prometheus for the exemplars, and LangFuse, if there is one, for the traces."""

    name = "exemplars"
    backend = "prometheus"

    def __init__(self, backends: Backends) -> None:
        self._metrics = backends.metrics
        self._traces = backends.traces
        self._langfuse = SecondBackend()

    def wants(self, subject: Subject) -> bool:
        """Errors that stand in series of their own. That ties them to their traces, whatever the SLO says of it."""
        return self._metrics is not None and subject.slo is not None and subject.slo.sli.error_series is not None

    async def gather(self, subject: Subject, deadline: float) -> Section | None:
        """The runs; None when no exemplar names one."""
        assert self._metrics is not None  # which wants() asks for, as it does for the next lines
        assert subject.slo is not None
        wanted = subject.slo.narrowed(subject.group).sli.error_series
        assert wanted is not None
        found = await self._metrics.exemplars(str(wanted), subject.since, subject.until)
        ids = _trace_ids((each for each in found if wanted.holds(each.value)), subject)
        if not ids:
            return None
        read = await self._read(subject, ids[:MOST_TRACES], deadline)
        causes = await asyncio.to_thread(self._causes, read)
        examples = links(read.roots, self._traces.url_of) if self._traces else ()
        looked_up = None if self._traces is None or read.reason else min(len(ids), MOST_TRACES)
        text = rendered("exemplars.txt.j2", ids=ids, read=read, causes=causes, what=_noun(subject), looked_up=looked_up)
        data = {
            "source": "prometheus",
            "from": subject.since.isoformat(),
            "to": subject.until.isoformat(),
            "of": "runs that exemplars name: a sample",
            "runs": len(ids),
            "trace_ids": list(ids[:MOST_TRACES]),
            "looked_up": looked_up,
            "traced": read.traces,
            "failures": len(read.failed),
            "causes": [cause.as_json() for cause in causes],
            "traces": [each.as_json() for each in examples],
            "missing": read.reason,
            "query": str(wanted),
        }
        if subject.query is None and causes and causes[0].share >= CLEAR:
            data["answer"] = _answer(causes[0], len(read.failed))
        return Section(self.name, text, trace_links(examples), data)

    def _causes(self, read: _Read) -> tuple[Cause, ...]:
        if self._traces is None or not read.failed:
            return ()
        return causes_of(read.failed, self._traces.url_of)[:MAX_CAUSES]

    async def _read(self, subject: Subject, ids: Sequence[str], deadline: float) -> _Read:
        if self._traces is None:
            return _Read()
        try:
            return await self._langfuse.answer(partial(_look_up, self._traces, subject, ids, deadline), deadline)
        except TracesError as error:
            return _Read(reason=str(error))


async def _look_up(traces: Traces, subject: Subject, ids: Sequence[str], deadline: float) -> _Read:
    wanted = Selection(subject.since - BEGAN_BEFORE, subject.until, trace_ids=tuple(ids))
    tops = Selection(wanted.since, wanted.until, trace_ids=wanted.trace_ids, is_root=True)
    roots = await traces.observations(tops, most=MOST_ROWS, deadline=deadline)
    if not roots.rows or not isinstance(subject.explained_by, Failed):
        # An error in a slow run need not be why it was slow.
        return _Read(roots.rows)
    errors = Selection(wanted.since, wanted.until, levels=("ERROR",), trace_ids=wanted.trace_ids)
    failing = await traces.observations(errors, most=MOST_ROWS, deadline=deadline)
    known = _whole(roots.rows, failing)
    named = _named(subject)
    if subject.explained_by.event == "run":
        return _Read(roots.rows, _failed_runs(known, failing.rows, named))
    # Who failed in a run that went on is to blame for its own call only: the call must be the one that is counted.
    calls = [row for row in failing.rows if row.name in named or (row.model and row.model in named)]
    return _Read(roots.rows, failed_calls(calls).failures)


def _whole(roots: Sequence[Observation], failing: Observations) -> Sequence[Observation]:
    """Those whose failing steps were all read: a run whose step was cut off would be blamed itself."""
    if not failing.is_partial or not failing.rows:
        return roots
    horizon = min(row.start_time for row in failing.rows)
    return [row for row in roots if row.start_time >= horizon]


def _failed_runs(roots: Sequence[Observation], failing: Sequence[Observation], named: Collection[str]) -> list[Failure]:
    tops: defaultdict[str, list[Observation]] = defaultdict(list)
    for row in roots:
        tops[row.trace_id].append(row)
    steps = [row for row in failing if not row.is_root]
    failed_tops = [row for row in failing if row.is_root and row.trace_id in tops]
    verdicts = failed_runs(failed_tops, steps, named=named, others=tops)
    # That the run has failed is what the exemplar says; alone at the top, the step that failed is that run.
    alone = [each for each in verdicts.uncertain if len(tops[each.step.trace_id]) == 1]
    return [*verdicts.failures, *alone]


def _named(subject: Subject) -> set[str]:
    query = subject.query
    own = (query.observation, query.model, query.name) if query else ()
    return {*filter(None, (*subject.group.values(), *own))}


def _trace_ids(exemplars: Iterable[Exemplar], subject: Subject) -> tuple[str, ...]:
    """The ids of traces, newest first, each once: of the group and the window that were asked for, and such as LangFuse
    has."""
    newest: dict[str, float] = {}
    for each in exemplars:
        at = datetime.fromtimestamp(each.at, UTC)
        trace_id = _trace_id(each.labels)
        if trace_id and subject.since <= at <= subject.until and _is_of(subject, each.series):
            newest[trace_id] = max(each.at, newest.get(trace_id, 0.0))
    return tuple(sorted(newest, key=lambda trace_id: (-newest[trace_id], trace_id)))


def _trace_id(labels: Mapping[str, str]) -> str | None:
    written = next((labels[name] for name in _LABELS if name in labels), "").lower()
    return written if _TRACE_ID.fullmatch(written) and written.strip("0") else None


def _is_of(subject: Subject, series: Mapping[str, str]) -> bool:
    return all(series.get(label, "") == value for label, value in subject.group.items())


def _noun(subject: Subject) -> str:
    if not isinstance(subject.explained_by, Failed) or subject.explained_by.event == "run":
        return "runs"
    return "runs with a failing call"


def _answer(cause: Cause, failures: int) -> str:
    return f"{cause.count:,} of {failures:,} traced failures: {cause.what}, {cause.message}."
