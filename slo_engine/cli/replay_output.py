"""What `slo-engine replay` prints: for scripts, and for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

from rich.table import Table

from slo_engine.amounts import budget_left, date_and_time, length, share, significant
from slo_engine.backtest.replay import Backtest, Candidate, Event, FiredAlert, GroupHistory, Replay
from slo_engine.backtest.standing import Standing
from slo_engine.cli import output
from slo_engine.status.model import measured

FULL = 0.9
"""Coverage that is taken for all of it."""

LISTED = 20
"""Alerts and events shown of each candidate; `--json` has all."""


def as_data(found: Backtest) -> dict[str, Any]:
    """For JSON: times in RFC 3339, only finite numbers."""
    plan = found.plan
    return {
        "service": found.slo.service,
        "slo": found.slo.name,
        "window": str(found.slo.window),
        "start": _rfc(plan.start),
        "end": _rfc(plan.end),
        "events_are": "marked" if plan.incidents is not None else "derived",
        "significant": None if plan.incidents is not None else plan.significant,
        "incidents_outside": [each.name for each in found.outside],
        "objective_met": found.met,
        "groups": [_group(each) for each in found.groups],
        "replays": [_replay(found, each) for each in found.replays],
    }


def show(results: Sequence[Backtest]) -> None:
    """For a person."""
    console = output.console()
    for found in results:
        plan = found.plan
        console.print(f"[bold]{found.slo.service} {found.slo.name}[/]", highlight=False, end="")
        console.print(f"  {date_and_time(plan.start, '')} to {date_and_time(plan.end, '')} UTC", highlight=False)
        if not found.groups:
            console.print("no data: Prometheus has none of its series in this time\n", style="red", highlight=False)
            continue
        console.print(_histories(found))
        if found.met is not None:
            window = (
                f"every {found.slo.window}" if any(each.met and each.met.windows for each in found.groups) else "all"
            )
            console.print(f"All groups have met {found.met:g} % over {window} of the history.", highlight=False)
        console.print("", _scores(found), "")
        for replay in found.replays:
            if replay.events:
                console.print(_events(found, replay), "")
        for replay in found.replays:
            if replay.alerts:
                console.print(_alerts(found, replay), "")
        if any(each.coverage_before < FULL for each in found.groups):
            console.print(
                "Before the start there is less history than the longest window takes: until it is full, alerts of "
                "long windows fire sooner here than they would in a service that had run for long.",
                highlight=False,
            )
        for incident in found.outside:
            console.print(f"{incident.name}: outside this history, not counted", highlight=False, markup=False)


def _named(found: Backtest, candidate: Candidate) -> str:
    held_to = found.slo.target.objective if candidate.objective is None else candidate.objective
    own = " (overrides included)" if candidate.objective is None and found.slo.target.overrides else ""
    return candidate.policy.name if held_to is None else f"{candidate.policy.name} at {held_to:g} %{own}"


def _histories(found: Backtest) -> Table:
    table = _table(
        "history",
        *("group", ">data", ">events", ">good", ">budget left", "measured"),
        *(">worst window", "met", ">budget left by that"),
    )
    for each in found.groups:
        met = each.met
        table.add_row(
            _text(each.group),
            share(each.coverage),
            f"{met.events:,.0f}" if met else "-",
            significant(met.overall) if met else "-",
            *_standing(found, each.standing),
            significant(met.worst) if met and met.worst is not None else "-",
            f"{met.objective:g} %" if met and met.objective is not None else "-",
            share(met.margin) if met else "-",
        )
    return table


def _standing(found: Backtest, at_the_end: Standing | None) -> tuple[str, str]:
    """The budget at the end, in the words of `slo-engine status`."""
    if at_the_end is None:
        return "-", "-"
    said = measured(_standing_data(at_the_end)) or f"over {found.slo.window_name}"
    return budget_left(at_the_end.error_budget_remaining).removesuffix(" left"), said


def _scores(found: Backtest) -> Table:
    events = "events" if found.plan.incidents is not None else f"events of {share(found.plan.significant)} budget"
    table = _table("policies", "policy", "severity", ">alerts", ">for something", ">precision", f">{events}", ">recall")
    table.add_column("found after, median", justify="right")
    for replay in found.replays:
        for row, (severity, score) in enumerate(replay.scores.items()):
            table.add_row(
                _named(found, replay.candidate) if row == 0 else "",
                severity,
                str(score.alerts),
                str(score.significant),
                share(score.precision),
                f"{score.detected} of {score.events}",
                share(score.recall),
                length(_median_detection(replay, severity), "-"),
            )
    return table


def _events(found: Backtest, replay: Replay) -> Table:
    table = _table(f"events, {_named(found, replay.candidate)}", "start", "end", "what", "group", ">budget spent")
    table.add_column("found by")
    table.add_column("after", justify="right")
    table.add_column("budget by then", justify="right")
    for event in _costliest(replay.events):
        by = event.detected_by
        missed = "no data" if not event.seen else "missed"
        table.add_row(
            date_and_time(event.incident.start, "-"),
            date_and_time(event.incident.end, "-"),
            (event.incident.name or "errors") + (" (cut)" if event.cut else ""),
            _text(event.incident.group),
            share(event.budget_spent),
            str(by.tier) if by else missed,
            length(event.detected_after, "-"),
            share(event.budget_spent_by_then),
            style="red" if by is None and event.seen else None,
        )
    _say_what_is_left_out(table, len(replay.events))
    return table


def _alerts(found: Backtest, replay: Replay) -> Table:
    newest = f"the newest {LISTED} " if len(replay.alerts) > LISTED else ""
    table = _table(
        f"{newest}alerts, {_named(found, replay.candidate)}", "fired", "over", ">for", "tier", "group", ">budget spent"
    )
    table.add_column("for")
    for alert in replay.alerts[-LISTED:]:
        table.add_row(
            f"before {date_and_time(alert.fired_at, '')}" if alert.cut else date_and_time(alert.fired_at, ""),
            date_and_time(alert.reset_at, "fires still"),
            length(None if alert.reset_at is None else alert.reset_at - alert.fired_at, "-"),
            f"{alert.tier} x{alert.factor:.4g}",
            _text(alert.group),
            share(alert.budget_spent),
            ", ".join(replay.events[number].incident.name or "errors" for number in alert.events) or "nothing",
        )
    _say_what_is_left_out(table, len(replay.alerts))
    return table


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for heading in headings:
        table.add_column(heading.removeprefix(">"), justify="right" if heading.startswith(">") else "left")
    return table


def _say_what_is_left_out(table: Table, number: int) -> None:
    if number > LISTED:
        table.caption, table.caption_justify = f"of {number}: --json has all", "left"


def _costliest(events: Sequence[Event]) -> list[Event]:
    """The events that cost most, in the order of time."""
    kept = sorted(events, key=lambda event: event.budget_spent or 0.0)[-LISTED:]
    return sorted(kept, key=lambda event: (event.incident.start, event.incident.end))


def _median_detection(replay: Replay, severity: str) -> float | None:
    """Seconds until an alert of this severity, over the events that have one."""
    found: dict[int, int] = {}
    for alert in replay.alerts:
        if severity in ("all", alert.tier.severity):
            for number in alert.events:
                after = max(0, alert.fired_at - replay.events[number].incident.start)
                found[number] = min(after, found.get(number, after))
    return median(found.values()) if found else None


def _text(group: Mapping[str, str]) -> str:
    return ", ".join(group.values()) or "all"


def _rfc(seconds: int | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def _group(each: GroupHistory) -> dict[str, Any]:
    met = each.met
    return {
        "group": dict(each.group),
        "coverage": each.coverage,
        "coverage_before": each.coverage_before,
        "events": met.events if met else None,
        "errors": met.errors if met else None,
        "good_ratio": met.overall if met else None,
        "worst_window_good_ratio": met.worst if met else None,
        "windows": met.windows if met else 0,
        "objective_met": met.objective if met else None,
        "objective_margin": met.margin if met else None,
        "at_end": None if each.standing is None else _standing_data(each.standing),
    }


def _standing_data(at_the_end: Standing) -> dict[str, Any]:
    """With the names that a status has."""
    return {
        "error_ratio": at_the_end.error_ratio,
        "error_budget_remaining": at_the_end.error_budget_remaining,
        "data_over": str(at_the_end.data_over),
        "is_window_full": at_the_end.is_window_full,
    }


def _replay(found: Backtest, replay: Replay) -> dict[str, Any]:
    candidate = replay.candidate
    return {
        "policy": candidate.policy.name,
        "objective": found.slo.target.objective if candidate.objective is None else candidate.objective,
        "scores": {
            severity: {
                "alerts": score.alerts,
                "significant_alerts": score.significant,
                "precision": score.precision,
                "events": score.events,
                "detected_events": score.detected,
                "recall": score.recall,
            }
            for severity, score in replay.scores.items()
        },
        "events": [_event(event) for event in replay.events],
        "alerts": [_alert(alert) for alert in replay.alerts],
    }


def _event(event: Event) -> dict[str, Any]:
    by = event.detected_by
    return {
        "name": event.incident.name,
        "start": _rfc(event.incident.start),
        "end": _rfc(event.incident.end),
        "group": dict(event.incident.group),
        "cut": event.cut,
        "has_data": event.seen,
        "budget_spent": event.budget_spent,
        "detected_by": str(by.tier) if by else None,
        "detected_after_seconds": event.detected_after,
        "budget_spent_at_detection": event.budget_spent_by_then,
    }


def _alert(alert: FiredAlert) -> dict[str, Any]:
    return {
        "group": dict(alert.group),
        "severity": alert.tier.severity,
        "long_window": str(alert.tier.long),
        "short_window": str(alert.tier.short),
        "factor": alert.factor,
        "fired_at": _rfc(alert.fired_at),
        "reset_at": _rfc(alert.reset_at),
        "cut": alert.cut,
        "budget_spent_in_long_window": alert.budget_spent,
        "events": list(alert.events),
    }
