"""Which answers were scored low, and what the judge said of them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from slo_engine import amounts
from slo_engine.definitions.traces import LowScore
from slo_engine.evidence.messages import Cluster, clustered
from slo_engine.evidence.model import TraceLink
from slo_engine.evidence.reading import Scored
from slo_engine.evidence.rendering import rendered, trace_links
from slo_engine.evidence.source import Backends
from slo_engine.evidence.subject import Subject
from slo_engine.notifications import Section
from slo_engine.traces import TraceScore

EXAMPLES = 2
MOST_COMMENTS = 3
CLEAR = 0.3


class Scores:
    """Asks LangFuse for the scores of a name, and for the runs they judge."""

    name = "scores"
    backend = "langfuse"

    def __init__(self, backends: Backends) -> None:
        self._findings = backends.findings

    def wants(self, subject: Subject) -> bool:
        """An SLO on scores that knows the name of the score."""
        query = subject.query
        return (
            self._findings is not None
            and query is not None
            and bool(query.score)
            and isinstance(subject.explained_by, LowScore)
        )

    async def gather(self, subject: Subject, deadline: float) -> Section | None:
        """The low scores of the window."""
        findings, wanted, query = self._findings, subject.explained_by, subject.query
        assert findings is not None  # which wants() asks for, as it does for the next lines
        assert isinstance(wanted, LowScore)
        assert query is not None
        found = await findings.scored(subject, deadline)
        scores = [score for _, score in found.runs]
        comments = await asyncio.to_thread(clustered, [score.comment for score in scores if score.comment])
        lowest = sorted(found.runs, key=lambda each: (each[1].value, each[0].trace_id))[:EXAMPLES]
        examples = [TraceLink(row.trace_id, findings.traces.url_of(row), row.start_time) for row, _ in lowest]
        judges = Counter(score.source for score in scores if score.source)
        text = rendered(
            "scores.txt.j2",
            found=found,
            scores=scores,
            name=query.score,
            above=wanted.above,
            comments=comments[:MOST_COMMENTS],
            judges=judges,
        )
        data = {
            "source": "langfuse",
            "from": subject.since.isoformat(),
            "to": subject.until.isoformat(),
            "score": query.score,
            "at_most": wanted.above,
            "low": len(scores),
            "partial": found.is_partial,
            "judges": dict(judges),
            "comments": [{"text": each.message, "count": len(each.members)} for each in comments[:MOST_COMMENTS]],
            "traces": [
                {**link.as_json(), "value": score.value} for link, (_, score) in zip(examples, lowest, strict=True)
            ],
            "answer": _answer(query.score or "", wanted.above, found, scores, comments),
        }
        return Section(self.name, text, trace_links(examples), data, is_empty=not scores)


def _answer(
    name: str, above: float, found: Scored, scores: Sequence[TraceScore], comments: Sequence[Cluster]
) -> str | None:
    if not scores:
        return None
    at_least = "more than " if found.is_partial else ""
    said = f"{at_least}{len(scores):,} runs have a score {name} of {above:g} or less"
    most = comments[0] if comments else None
    if most and len(most.members) >= CLEAR * len(scores):
        share = amounts.about_percent(len(most.members) / len(scores))
        return f"{said}; {share} of them: “{most.message}”."
    return f"{said}."
