"""A message of each kind as it may come, for previews and to try templates on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from slo_engine.notifications.message import Document, Evidence, Kind, Link, Message, Missing, Post, Section, Topic

TEST = "[test] "

_FINGERPRINT = "5f0b9d6b1e5a4c3d"
_LABELS = {
    "agent_type": "support_agent",
    "alertname": "SLOErrorBudgetBurn",
    "long_window": "1h",
    "owner": "ai-platform",
    "severity": "page",
    "short_window": "5m",
    "slo": "success",
    "slo_service": "agents",
}
_TITLE = "agents success support_agent: burns its error budget at 24.1x over 1h"

_STATUS: Mapping[str, Any] = {
    "service": "agents",
    "slo": "success",
    "group": {"agent_type": "support_agent"},
    "objective": 98.0,
    "window": "30d",
    "budget": None,
    "error_ratio": {"5m": 0.51, "1h": 0.482, "30d": 0.0151},
    "burn_rate": {"5m": 25.5, "1h": 24.1, "30d": 0.755},
    "error_budget_remaining": 0.245,
    "measured_over": "30d",
    "data_over": "30d",
    "is_window_full": True,
    "is_estimate": False,
    "events": {"total": 1_204_311.0, "errors": 18_185.0},
    "exhausted_at": "2026-11-24T00:23:00+00:00",
    "firing": [
        {"alert": "SLOErrorBudgetBurn", "severity": "page", "long_window": "1h", "short_window": "5m"},
    ],
    "unpriced_models": [],
    "evaluated_at": "2026-11-23T17:05:00+00:00",
}
_OTHERS: tuple[Mapping[str, Any], ...] = (
    {
        **_STATUS,
        "slo": "spend",
        "objective": None,
        "budget": {"amount": 3000.0, "currency": "USD"},
        "group": {"agent_type": "batch_agent"},
        "error_ratio": {"1h": 1.4, "30d": 0.38},
        "burn_rate": {"1h": 1.4, "30d": 0.38},
        "error_budget_remaining": 0.62,
        "exhausted_at": "2026-12-07T08:00:00+00:00",
        "firing": [],
    },
    {
        **_STATUS,
        "slo": "latency",
        "group": {"agent_type": "research_agent"},
        "objective": 95.0,
        "error_ratio": {"1h": 0.004, "30d": 0.0047},
        "burn_rate": {"1h": 0.08, "30d": 0.094},
        "error_budget_remaining": 0.906,
        "exhausted_at": None,
        "firing": [],
    },
)


def sample(kind: Kind) -> Message:
    """A message of this kind. Names and figures are made up, and the same every time."""
    if kind in ("firing", "resolved", "update"):
        return _of_an_alert(kind)
    return Message(
        key=f"sample-{kind}",
        thread=f"sample-{kind}",
        kind=kind,
        severity=None,
        title=_POST_TITLES[kind],
        post=_POSTS[kind],
    )


def as_a_test(message: Message) -> Message:
    """The same, which says that nothing has happened wherever it says what has: for who gets it without having asked
    for it."""
    if message.payload is None:
        return replace(message, title=f"{TEST}{message.title}")
    alerts = [
        {**each, "annotations": {**each["annotations"], "summary": f"{TEST}{each['annotations']['summary']}"}}
        for each in message.payload["alerts"]
    ]
    common = alerts[0]["annotations"]
    payload = {**message.payload, "alerts": alerts, "commonAnnotations": common}
    return replace(message, title=f"{TEST}{message.title}", payload=payload)


def _of_an_alert(kind: Kind) -> Message:
    status = "resolved" if kind == "resolved" else "firing"
    alert = {
        "status": status,
        "labels": _LABELS,
        "annotations": {
            "summary": _TITLE,
            "description": "Over 1h 48.2 % of runs failed; the objective allows 2 %.",
            "runbook_url": "https://runbooks.example/agents/success",
            "dashboard_url": "https://grafana.example/d/slo-detail?var-slo=success",
        },
        "startsAt": "2026-11-23T17:03:00Z",
        "endsAt": "2026-11-23T17:41:00Z" if kind == "resolved" else "0001-01-01T00:00:00Z",
        "generatorURL": "https://prometheus.example/graph?g0.expr=slo%3Asli_error%3Aratio&g0.tab=0",
        "fingerprint": _FINGERPRINT,
    }
    return Message(
        key=f"sample-{kind}",
        thread="sample-incident",
        kind=kind,
        severity="page",
        title=_TITLE,
        evidence=Evidence("2026-11-23T17:05:02+00:00", 0.84) if kind == "resolved" else _EVIDENCE,
        payload={
            "version": "4",
            "groupKey": '{}:{agent_type="support_agent"}',
            "truncatedAlerts": 0,
            "status": status,
            "receiver": "slo-engine",
            "groupLabels": {"agent_type": "support_agent", "slo": "success", "slo_service": "agents"},
            "commonLabels": _LABELS,
            "commonAnnotations": alert["annotations"],
            "externalURL": "https://alertmanager.example",
            "alerts": [alert],
        },
    )


_TRACE = Link("trace 7c0f3a91", "https://langfuse.example/project/agents/traces/7c0f3a91d2")

_EVIDENCE = Evidence(
    gathered_at="2026-11-23T17:05:02+00:00",
    seconds=0.84,
    topics=(
        Topic(
            "agents",
            "success",
            {"agent_type": "support_agent"},
            (_FINGERPRINT,),
            (
                Section(
                    "answer",
                    "412 of 455 failures: tool web_search: search index shard-<n> did not answer within <n> s; "
                    "prompt_version v12: 96 % of the failures, 8 % of the others; new since 17:01.",
                ),
                Section(
                    "budget",
                    "Error budget of 30d: 24.5 % left; exhausts at 2026-11-24 00:23 UTC, in 7h 18min at the current "
                    "burn rate. Burn rate: 25.5x over 5m, 24.1x over 1h.",
                    data=_STATUS,
                ),
                Section(
                    "causes",
                    "412 of 455: tool web_search: search index shard-<n> did not answer within <n> s\n"
                    "43 of 455: model claude-sonnet-4-5: rate limit exceeded",
                    (_TRACE,),
                ),
            ),
        ),
    ),
    missing=(Missing("prometheus", "no exemplars: the feature exemplar-storage is off"),),
)

_POST_TITLES: Mapping[Kind, str] = {
    "status": "agents success agent_type=support_agent: 24.5 % of the error budget left",
    "digest": "3 error budgets: 1 burns, 1 level passed since yesterday",
    "report": "SLO report for 2026-10: 7 of 9 objectives met",
}

_POSTS: Mapping[Kind, Post] = {
    "status": Post(
        at="2026-11-23T17:05:00+00:00",
        tone="warn",
        changes=("The error budget has fallen below 25 %: 24.5 % left, 31.0 % an hour before.",),
        policies=("agents success, below 25 %: reliability work goes first",),
        statuses=(_STATUS,),
        links=(Link("SLOs", "https://slo-engine.example/"),),
    ),
    "digest": Post(
        at="2026-11-23T17:05:00+00:00",
        tone="warn",
        changes=("agents success agent_type=support_agent: fell below 25 %, 24.5 % left",),
        policies=("agents success, below 25 %: reliability work goes first",),
        statuses=(_STATUS, *_OTHERS),
        links=(Link("SLOs", "https://slo-engine.example/"),),
    ),
    "report": Post(
        at="2026-11-01T00:00:00+00:00",
        tone="warn",
        lines=(
            "7 of 9 objectives met.",
            "Missed: agents success (97.1 % of 98 %).",
            "Spent 2,411.20 USD of 3,000 USD.",
        ),
        links=(Link("SLOs", "https://slo-engine.example/"),),
        documents=(Document("slo-report-2026-10.html", "text/html", "<!doctype html><title>SLO report</title>"),),
    ),
}
