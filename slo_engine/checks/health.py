"""How counters are scraped and how they grow: often enough, and only upwards?"""

from __future__ import annotations

from collections.abc import Iterator

from slo_engine.checks.counters import Counter, counters, is_native
from slo_engine.checks.finding import Finding
from slo_engine.definitions.slo import Slo

Key = tuple[str, ...]

_STRETCH = "15m"
_MINUTES = 15


def probes(slo: Slo) -> Iterator[tuple[Key, str]]:
    """What is to be asked."""
    for counter in _examined(slo):
        selector = str(counter.selector)
        rare = _rarely_scraped(selector)
        yield ("rare", selector), f"count({rare})"
        yield ("samples", selector), f"avg({rare})"
        yield ("fell", selector), f"count({_fell(selector)})"


def findings(slo: Slo, found: dict[Key, float]) -> Iterator[Finding]:
    """What is wrong, by the answers."""
    for counter in _examined(slo):
        selector = str(counter.selector)
        if rare := found.get(("rare", selector)):
            interval = _MINUTES * 60 / max(found.get(("samples", selector), 1.0), 1.0)
            yield Finding(
                *slo.key,
                "slow-scrapes",
                f"{rare:.0f} series of {selector} have a sample each {interval:.0f} s, and each minute is counted by "
                "itself: set scrape_interval to 1m or less, or see why scrapes fail",
            )
        if fell := found.get(("fell", selector)):
            yield Finding(
                *slo.key,
                "decreasing",
                f"{fell:.0f} series of {selector} went down without a restart within the last hour, and all they hold "
                "counts anew each time: is it a gauge, or do two processes or replicas write the same series?",
            )


def _examined(slo: Slo) -> Iterator[Counter]:
    """One selector for each metric; a bucket is scraped with its count. Native histograms have no value to look at."""
    if is_native(slo):
        return
    told = set()
    for counter in counters(slo):
        if counter.selector.metric not in told and counter.role != "bucket":
            told.add(counter.selector.metric)
            yield counter


def _rarely_scraped(selector: str) -> str:
    """Series that were there all the time and have fewer samples than minutes, in the last stretch and in the one
    before: one outage of the target lies in one of them. A tenth is left to scrapes that fail now and then."""
    few = f"count_over_time({selector}[{_STRETCH}]) < {0.9 * _MINUTES:g}"
    before = f"count_over_time({selector}[{_STRETCH}] offset {_STRETCH}) < {0.9 * _MINUTES:g}"
    return f"({few} and {before} and {selector} and {selector} offset {2 * _MINUTES}m)"


def _fell(selector: str) -> str:
    """Series that went down in some ten minutes of the last hour, and never below half of what they held at most.

    A counter that is restarted begins at 0, so the first sample after it is at most what a scrape interval brings. In
    ten minutes in which the counter, there from their beginning, does not double, that is far less than half of it. A
    small counter could be back by chance: it must stay within a tenth, or fall three times. And a process that says
    when it started is believed.
    """
    highest, lowest = f"max_over_time({selector}[10m])", f"min_over_time({selector}[10m])"
    falls = f"resets({selector}[10m])"
    evident = f"({highest} >= 100 or {lowest} > 0.9 * {highest} or {falls} >= 3)"
    fell = f"{falls} > 0 and {lowest} > 0.5 * {highest} and {evident} and {selector} offset 10m"
    restarted = "changes(process_start_time_seconds[70m]) > 0"
    return f"count_over_time(({fell})[1h:5m]) unless on (job, instance) {restarted}"
