"""The report of a month as a post: its summary, and the report itself as a file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from slo_engine.definitions.slo import SloSet
from slo_engine.notifications import Document, Link, Post
from slo_engine.posts.addressees import addressee
from slo_engine.posts.plan import Planned
from slo_engine.reports import Month, ReadStore, Report, as_html, make, summary
from slo_engine.scrub.outgoing import outgoing_text
from slo_engine.status.evaluate import QuerySource

MakeReport = Callable[[Planned, datetime, datetime], tuple[str, Post]]
"""(what is planned, when it was due, now) -> title and post. Raises SloEngineError."""


def monthly(
    slos: Callable[[], SloSet], source: QuerySource, read_store: ReadStore, links: tuple[Link, ...]
) -> MakeReport:
    """Makes the report of the month before the one in which a post is due, in the time zone of its schedule."""

    def report(planned: Planned, due: datetime, now: datetime) -> tuple[str, Post]:
        month = Month.last_whole(due, planned.schedule.zone)
        wanted = SloSet(tuple(slo for slo in slos().slos if planned.match.about(addressee(slo, {}))))
        made = make(wanted, source, read_store, month, now)
        return f"SLO report for {month.name}: {made.verdict}", _post(made, month, links)

    return report


def _post(made: Report, month: Month, links: tuple[Link, ...]) -> Post:
    is_missed = any(outcome.met is False for outcome in made.outcomes)
    is_unknown = any(outcome.met is None for outcome in made.outcomes)
    return Post(
        at=made.made_at.isoformat(),
        tone="bad" if is_missed else "warn" if is_unknown else "good",
        lines=tuple(outgoing_text(line) for line in summary(made)),
        links=links,
        documents=(Document(f"slo-report-{month.name}.html", "text/html", as_html(made)),),
    )
