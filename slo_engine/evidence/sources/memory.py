"""Whether the causes are known from earlier incidents: new, recurring, or back after they were over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from slo_engine import amounts
from slo_engine.definitions.traces import Failed
from slo_engine.evidence.model import Cause
from slo_engine.evidence.source import Backends, Remembered
from slo_engine.evidence.subject import Subject
from slo_engine.notifications import Section
from slo_engine.scrub.outgoing import outgoing_text
from slo_engine.traces import TracesError

State = Literal["new", "recurring", "regressed"]

MOST = 3
SMALLEST_SHARE = 0.05
"""Of the failing runs. What fails now and then is in every incident, and is why none happened."""

LONGEST_NOTE = 300
"""Characters of what people wrote."""

OVER_FOR = timedelta(hours=1)
"""How long the last incident with a cause must have been resolved for the cause to be back, and not still there."""


class MemorySource:
    """Asks the store, which notes the causes as well."""

    name = "memory"
    backend = "store"

    def __init__(self, backends: Backends) -> None:
        self._findings = backends.findings
        self._memory = backends.memory

    def wants(self, subject: Subject) -> bool:
        """Causes of an incident."""
        return (
            self._findings is not None
            and self._memory is not None
            and subject.query is not None
            and isinstance(subject.explained_by, Failed)
            and bool(subject.incident)
        )

    async def gather(self, subject: Subject, deadline: float) -> Section | None:
        """What is known of the causes; None where there are none."""
        assert self._findings is not None  # which wants() asks for, as it does for the next line
        assert self._memory is not None
        try:
            found = await self._findings.causes(subject, deadline)
        except TracesError:
            return None  # the causes say so themselves, and the store has not failed
        causes = {each.identity: each for each in found.causes[:MOST] if each.share >= SMALLEST_SHARE}
        if not causes:
            return None
        service, slo = subject.slo.key if subject.slo else (None, None)
        failed = about(service, slo, subject.group)
        known = await self._memory.remember(failed, tuple(causes), subject.incident, subject.title, subject.until)
        told = [_told(cause, known[identity]) for identity, cause in causes.items()]
        text = "\n".join(f"{each['cause']}: {each['text']}" for each in told)
        data = {
            "source": "store",
            "at": subject.until.isoformat(),
            "of": f"causes of at least {amounts.about_percent(SMALLEST_SHARE)} of failing {found.event}s read",
            "failed": found.failed,
            "causes": told,
            "query": {"about": json.loads(failed), "incident": subject.incident},
        }
        return Section(self.name, text, data=data)


def about(service: str | None, slo: str | None, group: Mapping[str, str]) -> str:
    """What failed: the SLO and its group. Plain alerts about the same agent are about the same failures."""
    return json.dumps({"service": service, "slo": slo, "group": dict(sorted(group.items()))})


def _told(cause: Cause, known: Remembered | None) -> Mapping[str, Any]:
    state = _state(cause, known)
    return {
        "cause": cause.identity,
        "state": state,
        "text": _text(state, known) + _caused_by(known),
        "count": cause.count,
        "share": round(cause.share, 4),
        "incidents_before": known.incidents if known else 0,
        "first_seen": known.first_seen.isoformat() if known else None,
        "last_seen": known.last_seen.isoformat() if known else None,
        "last_incident": known.last_incident if known else None,
        "last_incident_ended": known.ended_at.isoformat() if known and known.ended_at else None,
        "caused_by": outgoing_text(known.caused_by) if known and known.caused_by else None,
    }


def _state(cause: Cause, known: Remembered | None) -> State:
    if known is None:
        return "new"
    ended = known.ended_at
    # A long window may show the failures of the last incident once more: then nothing is back.
    is_back = ended is not None and known.back_since - ended >= OVER_FOR and cause.last_seen > ended
    return "regressed" if is_back else "recurring"


def _caused_by(known: Remembered | None) -> str:
    if known is None or not known.caused_by:
        return ""
    return f". Then it was caused by: “{outgoing_text(known.caused_by)[:LONGEST_NOTE]}”"


def _text(state: State, known: Remembered | None) -> str:
    if known is None:
        return "new"
    last = amounts.minute(known.last_seen)
    if state == "regressed" and known.ended_at is not None:
        ended = amounts.minute(known.ended_at)
        return f"regressed: last seen {last} in “{known.last_incident}”, resolved {ended}"
    if known.incidents == 1:
        return f"seen before: 1 incident, last {last}"
    since = amounts.minute(known.first_seen)[:10]
    return f"seen before: {known.incidents:,} incidents since {since}, the last {last}"
