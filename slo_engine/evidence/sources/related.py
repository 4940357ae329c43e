"""What else burns now: other SLOs whose error budget is being spent at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from slo_engine.definitions.duration import Duration
from slo_engine.evidence.source import Backends
from slo_engine.evidence.subject import Subject
from slo_engine.notifications import Section
from slo_engine.recording import names
from slo_engine.scrub.outgoing import outgoing_text
from slo_engine.status.model import SloStatus

MOST = 5

WINDOW = "1h"
"""That says whether something burns now. An SLO without events in it burns nothing, whatever a longer one says; but for
an alert that fires, which has a long window of its own."""

BURNS = 1.0
"""The burn rate that uses up exactly the budget; less is what the budget is for."""

BURNS_FAST = 2.0
"""From here on it is told even where no alert fires."""


class Related:
    """Asks for the status of all SLOs, which is taken once for all that ask."""

    name = "related"
    backend = "prometheus"

    def __init__(self, backends: Backends) -> None:
        self._statuses = backends.shared_statuses

    def wants(self, subject: Subject) -> bool:
        """Whatever is about an SLO: the others are told from it."""
        return subject.slo is not None

    async def gather(self, subject: Subject, deadline: float) -> Section | None:  # noqa: ARG002 - as every source
        """The SLO groups that burn; None when no other does."""
        statuses = await self._statuses.statuses()
        others = [status for status in statuses if not _is_subject(status, subject)]
        burning = sorted(_burning(others), key=lambda each: (not _is_near(each[0], subject), -each[2], _name(each[0])))
        if not burning:
            return None
        told = burning[:MOST]
        said = ", ".join(f"{_name(status)} ({rate:.3g}x over {window})" for status, window, rate in told)
        more = f", and {len(burning) - MOST:,} more" if len(burning) > MOST else ""
        data = {
            "source": "prometheus",
            "at": max(status.evaluated_at for status in statuses).isoformat(),
            "of": "other SLO groups",
            "others": len(others),
            "burning": len(burning),
            "slos": [_as_data(status, window, rate) for status, window, rate in told],
            "query": names.ERROR_RATIO,
        }
        return Section(self.name, f"Also burning: {said}{more}.", data=data)


def _burning(statuses: list[SloStatus]) -> Iterator[tuple[SloStatus, str, float]]:
    """Those that burn, with the window that says so and the burn rate over it."""
    for status in statuses:
        window = WINDOW if WINDOW in status.burn_rate else _shortest_that_fires(status)
        rate = status.burn_rate.get(window, 0.0)
        if rate >= BURNS_FAST or (rate >= BURNS and status.firing):
            yield status, window, rate


def _shortest_that_fires(status: SloStatus) -> str:
    long = {each.long_window for each in status.firing if each.long_window} & set(status.burn_rate)
    return min(long, key=lambda each: Duration.parse(each).seconds, default="")


def _is_subject(status: SloStatus, subject: Subject) -> bool:
    assert subject.slo is not None
    return (status.service, status.slo) == subject.slo.key and dict(status.group) == dict(subject.group)


def _is_near(status: SloStatus, subject: Subject) -> bool:
    """Of the same service, or about the same agent, tool, ... by a label of any name."""
    assert subject.slo is not None
    shared = {value for value in status.group.values() if value} & set(subject.group.values())
    return status.service == subject.slo.service or bool(shared)


def _name(status: SloStatus) -> str:
    return outgoing_text(f"{status.service}/{status.slo} {status.group_text}".strip())


def _as_data(status: SloStatus, window: str, rate: float) -> dict[str, Any]:
    return {
        "service": status.service,
        "slo": status.slo,
        "group": dict(status.group),
        "burn_rate": rate,
        "over": window,
        "firing": [each.remark for each in status.firing],
    }
