"""What appeared shortly before: a prompt version, release or model of the bad runs that was not there before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from slo_engine import amounts
from slo_engine.evidence.attributes import CHANGES, told, with_attributes
from slo_engine.evidence.findings import Compared, first_in
from slo_engine.evidence.source import Backends
from slo_engine.evidence.sources.contrast import BAD
from slo_engine.evidence.subject import Subject
from slo_engine.notifications import Section
from slo_engine.scrub.outgoing import outgoing_text
from slo_engine.traces import Observation

BEFORE = timedelta(days=1)
"""How long before the window a value must not have been seen to count as new."""


ALONE = timedelta(minutes=1)
"""How much earlier than a new value another run must have begun."""


class Changes:
    """Asks LangFuse when the values that set bad runs apart were seen first."""

    name = "changes"
    backend = "langfuse"

    def __init__(self, backends: Backends) -> None:
        self._findings = backends.findings

    def wants(self, subject: Subject) -> bool:
        """Where bad runs are compared with good ones."""
        return self._findings is not None and subject.query is not None and type(subject.explained_by) in BAD

    async def gather(self, subject: Subject, deadline: float) -> Section | None:
        """The values that are new; None: none is."""
        findings = self._findings
        assert findings is not None  # which wants() asks for
        compared = await findings.compared(subject, deadline)
        if compared is None:
            return None
        asked = []
        for trait, example in zip(compared.contrast.traits, compared.examples, strict=True):
            for attributes in (trait.attributes, *trait.confounded_with):
                made = {name: value for name, value in attributes.items() if name in CHANGES}
                asked += [(attributes, {name: value}, example) for name, value in made.items()]
        first = await asyncio.gather(*(self._first(compared, made, row, deadline) for _, made, row in asked))
        found = [
            {"text": outgoing_text(told(trait)), "attributes": made, "first_seen": at.isoformat()}
            for (trait, made, _), at in zip(asked, first, strict=True)
            if at is not None and at > subject.since
        ]
        if not found:
            return None
        text = "\n".join(_line(each) for each in found)
        data = {
            "source": "langfuse",
            "from": (subject.since - BEFORE).isoformat(),
            "to": subject.until.isoformat(),
            "changes": found,
        }
        return Section(self.name, text, data=data)

    async def _first(
        self, compared: Compared, made: Mapping[str, str], example: Observation, deadline: float
    ) -> datetime | None:
        """When a value was seen first; None: before the window, or it cannot be asked."""
        assert self._findings is not None
        whole = replace(compared.wanted, levels=(), at_most=None, first_token_until=None)
        wanted = with_attributes(whole, made, example)
        if wanted is None:
            return None
        traces = self._findings.traces
        before = replace(wanted, since=wanted.since - BEFORE, until=wanted.since)
        if (await traces.observations(before, most=1, deadline=deadline)).rows:
            return None
        first = await first_in(traces, wanted, deadline)
        if first is None:
            return None
        # Where nothing at all was before it, it is the agent that is new, or LangFuse.
        others = replace(whole, since=whole.since - BEFORE, until=first - ALONE)
        return first if (await traces.observations(others, most=1, deadline=deadline)).rows else None


def _line(change: Mapping[str, Any]) -> str:
    return f"New: {outgoing_text(told(change['attributes']))}, first seen {amounts.minute(change['first_seen'])}"
