"""Who spends the money: which agent and model, how much more than before, and in how many calls."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial, reduce
from typing import Any

from slo_engine import amounts
from slo_engine.definitions.money import Budget
from slo_engine.definitions.promql import Selector
from slo_engine.definitions.traces import Spent
from slo_engine.evidence.calls import Calls, calls_of, more_often
from slo_engine.evidence.rendering import rendered, trace_links
from slo_engine.evidence.second_backend import SecondBackend
from slo_engine.evidence.source import Backends, Metrics
from slo_engine.evidence.spenders import Growth, Labels, Period, growth, model_of, name_of, telling, told_apart
from slo_engine.evidence.subject import Subject
from slo_engine.notifications import Section
from slo_engine.prometheus import Result, finite
from slo_engine.scrub.outgoing import outgoing_text
from slo_engine.traces import TracesError

DAY = timedelta(days=1)

ABOUT_AN_HOUR = 1.1

MOST_SERIES = 1000
"""The largest, of which some are told: an exporter may count by user."""

MOST_TOLD = 3

SMALLEST_SHARE = 0.01

CLEAR = 0.3
"""The smallest share of the growth, or of the spend, for a name to be the answer."""

PLAIN_LABELS = ("agent_type", "model")
PLAIN_CURRENCY = "USD"
"""Of ``llm_cost_usd_total``, which is the only counter of money that a plain alert is explained by."""

TARGETS = (
    *("instance", "job", "namespace", "pod", "container", "node", "host", "hostname", "endpoint", "replica"),
    *("prometheus", "prometheus_replica", "cluster", "uid", "pid"),
)
"""Labels that say where something ran, and not who spent."""


@dataclass(frozen=True)
class _Spending:
    """The window and what was before, in one currency."""

    hours: float
    currency: str
    now: Period
    before: Period | None
    day_before: Period | None
    growth: Growth | None

    def money(self, amount: float) -> str:
        """``237.60 USD``"""
        return str(Budget(amount, self.currency))

    def an_hour(self, amount: float) -> str:
        """The same for an hour of the window."""
        return self.money(amount / self.hours)

    @property
    def window(self) -> str:
        """``hour``, or ``2h``."""
        return "hour" if self.is_an_hour else amounts.about(timedelta(hours=self.hours))

    @property
    def is_an_hour(self) -> bool:
        """Whether a window that ends with its notification, and began an hour before its alert, is called that."""
        return 1 <= self.hours < ABOUT_AN_HOUR

    @property
    def largest(self) -> tuple[tuple[Labels, float], ...]:
        """Who grew most or, where nothing did, spends most, with the amount that orders them."""
        if self.growth is not None:
            found = self.growth.grown
        else:
            found = sorted(self.now.spent.items(), key=lambda each: (-each[1], each[0]))
        return tuple(each for each in found[:MOST_TOLD] if self.share(each[1]) >= SMALLEST_SHARE)

    def share(self, amount: float) -> float:
        """Of the growth or, where there is none, of the spend."""
        return amount / (self.growth.total if self.growth else self.now.total)

    def earlier(self, who: Labels) -> float | None:
        """What they spent before, in as much time; None: nothing is known of before."""
        compared = (self.day_before,) if self.growth and self.growth.is_since_a_day else (self.before, self.day_before)
        return max((period.spent.get(who, 0.0) for period in compared if period is not None), default=None)


class Spend:
    """Asks Prometheus for the counter of money, and LangFuse, if there is one, for the calls that were paid."""

    name = "spend"
    backend = "prometheus"

    def __init__(self, backends: Backends) -> None:
        self._metrics = backends.metrics
        self._traces = backends.traces
        self._langfuse = SecondBackend()

    def wants(self, subject: Subject) -> bool:
        """Budgets of money, and plain alerts on what our library counts of it."""
        return self._metrics is not None and isinstance(subject.explained_by, Spent)

    async def gather(self, subject: Subject, deadline: float) -> Section | None:
        """Who spent it; None when nothing was spent."""
        assert self._metrics is not None  # which wants() asks for
        spend = _narrowed(subject)
        spending = await _spending(self._metrics, spend, subject)
        if spending is None:
            return None
        calls, reason = await self._calls(subject, spending, deadline)
        who, amount = spending.largest[0] if spending.largest else ((), spending.now.total)
        often = more_often(calls, model_of(who))
        text = rendered(
            "spend.txt.j2", spending=spending, named=_named(spending), calls=calls, often=often, reason=reason
        )
        examples = tuple(link for link, _, _ in calls.dearest.examples) if calls else ()
        data = {
            "source": "prometheus",
            "from": subject.since.isoformat(),
            "to": subject.until.isoformat(),
            "currency": spending.currency,
            "hours": spending.hours,
            "spent": spending.now.total,
            "spent_before": spending.before.total if spending.before else None,
            "spent_a_day_before": spending.day_before.total if spending.day_before else None,
            "compared_with": _compared_with(spending),
            "grown": spending.growth.total if spending.growth else None,
            "spenders": [_as_data(spending, *each) for each in spending.largest],
            "calls": _calls_as_data(calls),
            "traces": [link.as_json() for link in examples],
            "missing": reason,
            "query": _increase(spend, subject, timedelta(0)),
            "answer": _answer(spending, who, amount, often),
        }
        return Section(self.name, text, trace_links(examples), data)

    async def _calls(self, subject: Subject, spending: _Spending, deadline: float) -> tuple[Calls | None, str | None]:
        """What LangFuse knows, or why it says nothing."""
        if self._traces is None or subject.query is None:
            return None, None
        window = subject.until - subject.since
        earlier_by = DAY if spending.growth and spending.growth.is_since_a_day else window
        try:
            asked = partial(calls_of, self._traces, subject, earlier_by, deadline)
            return await self._langfuse.answer(asked, deadline), None
        except TracesError as error:
            return None, str(error)


async def _spending(metrics: Metrics, spend: Selector, subject: Subject) -> _Spending | None:
    window = subject.until - subject.since
    largest = f"topk({MOST_SERIES}, {_increase(spend, subject, timedelta(0))})"
    earlier = [_increase(spend, subject, by) for by in (window, DAY)]
    # Without a sample at its beginning, nobody knows what was spent in all of an earlier window.
    known = [_begun(spend, by + window) for by in (window, DAY)]
    asked = [
        *(largest, *(f"{each} and {largest}" for each in earlier)),
        *(f"sum({_increase(spend, subject, timedelta(0))})",),
        *(f"sum({each}) and on () {there}" for each, there in zip(earlier, known, strict=True)),
    ]
    results = await asyncio.gather(*(metrics.query(expr, subject.until) for expr in asked))
    total = _total(results[3])
    if not total:
        return None
    names = telling([sample.labels for sample in finite(results[0].samples)], subject.group)
    spent = [told_apart(((each.labels, each.value) for each in finite(found.samples)), names) for found in results[:3]]
    now = Period(spent[0], total)
    before, day_before = (
        None if in_all is None else Period(own, in_all)
        for own, in_all in zip(spent[1:], map(_total, results[4:]), strict=True)
    )
    hours = window.total_seconds() / 3600
    budget = subject.slo.target.budget if subject.slo else None
    currency = budget.currency if budget else PLAIN_CURRENCY
    return _Spending(hours, currency, now, before, day_before, growth(now, before, day_before))


def _narrowed(subject: Subject) -> Selector:
    """The counter of money for the group."""
    explained = subject.slo.narrowed(subject.group).sli.explained_by if subject.slo else subject.explained_by
    assert isinstance(explained, Spent)  # which wants() asks for
    if subject.slo:
        return explained.spend
    named = {matcher.name for matcher in explained.spend.matchers}
    # The labels of a plain alert need not be those of the counter: these are.
    chosen = [label for label in PLAIN_LABELS if label in subject.group and label not in named]
    return reduce(lambda selector, label: selector.where(label, subject.group[label]), chosen, explained.spend)


def _increase(spend: Selector, subject: Subject, by: timedelta) -> str:
    """What was spent in a window that lies so much earlier."""
    labels = ", ".join(label for label in TARGETS if label not in subject.group)
    seconds = (subject.until - subject.since).total_seconds()
    offset = f" offset {by.total_seconds():.0f}s" if by else ""
    return f"sum without ({labels}) (increase({spend}[{seconds:.0f}s]{offset}))"


def _begun(spend: Selector, by: timedelta) -> str:
    return f"count(last_over_time({spend}[5m] offset {by.total_seconds():.0f}s))"


def _total(result: Result) -> float | None:
    return next((sample.value for sample in finite(result.samples)), None)


def _named(spending: _Spending) -> list[dict[str, Any]]:
    return [
        {
            "name": outgoing_text(name_of(who)),
            "an_hour": spending.an_hour(spending.now.spent[who]),
            "before": None if (before := spending.earlier(who)) is None else spending.an_hour(before),
            "share": spending.share(amount),
        }
        for who, amount in spending.largest
        if who
    ]


def _as_data(spending: _Spending, who: Labels, amount: float) -> Mapping[str, Any]:
    before = spending.earlier(who)
    return {
        "labels": dict(who),
        "spent": spending.now.spent[who],
        "spent_an_hour": spending.now.spent[who] / spending.hours,
        "spent_before_an_hour": None if before is None else before / spending.hours,
        "share": round(spending.share(amount), 4),
        "of": "growth" if spending.growth else "spend",
    }


def _calls_as_data(calls: Calls | None) -> Mapping[str, Any] | None:
    if calls is None:
        return None
    counted = {"now": calls.now, "before": calls.before}
    return {
        "source": "langfuse",
        **{name: None if each is None else each.as_json() for name, each in counted.items()},
        **calls.dearest.as_json(),
    }


def _compared_with(spending: _Spending) -> str | None:
    if spending.growth is not None and spending.growth.is_since_a_day:
        return "a day before"
    names = {"the window before": spending.before, "a day before": spending.day_before}
    return " and ".join(name for name, period in names.items() if period is not None) or None


def _answer(spending: _Spending, who: Labels, amount: float, often: str | None) -> str:
    said = f"{{}} in the last {spending.window}"
    name = outgoing_text(name_of(who))
    earlier = {f"in the {spending.window} before": spending.before, "a day before": spending.day_before}
    known = {when: period.total for when, period in earlier.items() if period is not None}
    if known and spending.growth is None:
        return f"{said.format(spending.money(spending.now.total))}, no more than {max(known, key=known.__getitem__)}."
    if not name or spending.share(amount) < CLEAR:
        return f"{said.format(spending.money(spending.now.total))}; no agent or model stands out."
    spent = spending.now.spent[who]
    rate = "" if spending.is_an_hour else f", {spending.an_hour(spent)} an hour"
    before = spending.earlier(who)
    if before is None:
        compared = f"{amounts.about_percent(spending.share(amount))} of all; no spend before to compare with"
    else:
        since = "a day before" if spending.growth and spending.growth.is_since_a_day else "before"
        compared = f"{spending.an_hour(before)} an hour {since}"
    return f"{name}: {said.format(spending.money(spent))}{rate} ({compared}){f': {often}' if often else ''}."
