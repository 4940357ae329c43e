"""An incident from its first notification to its last, and one written by somebody who means harm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from slo_engine.notifications import Evidence, Link, Message, Missing, Section, Topic
from slo_engine.notifications.message import Document, Post
from slo_engine.notifications.samples import sample

FIRING, UPDATE, RESOLVED = sample("firing"), sample("update"), sample("resolved")
REPEAT = replace(FIRING, key="sample-repeat", title=FIRING.title.replace("24.1x", "26.3x"))
INCIDENT = {"firing": FIRING, "update": UPDATE, "repeat": REPEAT, "resolved": RESOLVED}
STATUS, DIGEST, REPORT = sample("status"), sample("digest"), sample("report")

BAD = (
    "<script>alert(1)</script>",
    "<at>Everybody</at> @everyone <!channel> <@U1>",
    "{{7*7}}{% for a in b %}",
    "**bold** [here](http://evil.example) ![x](http://evil.example/x.png) `code` # head",
    "a\r\nBcc: victim@example.com\r\n\r\nbody",
    "safe\u202egnp.exe \u2066hidden\u2069",
    "\x00\x1b[31m\u2028\ud800",
    "x" * 100_000,
)
EVIL = "\n".join(BAD)

LINKS = tuple(
    f"https://{each}.example/" for each in ("runbook", "dashboard", "prometheus", "alertmanager", "trace1", "trace2")
)


def hostile(text: str = EVIL, kind: str = "firing", links: tuple[str, ...] = LINKS) -> Message:
    """An alert all of whose texts are ``text``."""
    labels = {"alertname": text, text[:300]: text, "slo": text, "slo_service": text, "severity": text}
    alert = {
        "status": "resolved" if kind == "resolved" else "firing",
        "labels": labels,
        "annotations": {
            "summary": text,
            "description": text,
            "runbook_url": links[0],
            "dashboard_url": links[1],
            "evil_url": "javascript:alert(1)",
        },
        "startsAt": "2026-11-23T17:03:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": links[2],
    }
    traces = tuple(Link(text, url) for url in links[4:])
    sections = (Section("answer", text), Section("causes", text, traces))
    return Message(
        key="hostile",
        thread=text,
        kind=kind,
        severity=text,
        title=text,
        evidence=Evidence(
            "2026-11-23T17:05:02+00:00",
            1.0,
            tuple(Topic(text, text, {text[:50]: text}, (), sections) for _ in range(12)),
            (Missing("langfuse", text),) * 5,
        ),
        payload={
            "status": "firing",
            "commonLabels": {text[:100]: text},
            "externalURL": links[3],
            "alerts": [alert] * 30,
            "truncatedAlerts": 7,
        },
    )


def hostile_post(text: str = EVIL, rows: int = 60) -> Message:
    """A digest all of whose texts are ``text``."""
    status: Mapping[str, Any] = {
        "service": text,
        "slo": text,
        "group": {text[:50]: text},
        "objective": 99.0,
        "window": "30d",
        "budget": None,
        "burn_rate": {"1h": 3.0},
        "error_budget_remaining": -0.5,
        "exhausted_at": None,
        "firing": [{"alert": text, "severity": text, "long_window": text}],
        "measured_over": "30d",
        "data_over": "30d",
        "is_window_full": True,
        "is_estimate": False,
    }
    post = Post(
        at="2026-11-23T17:05:00+00:00",
        tone="bad",
        changes=(text,) * 20,
        lines=(text,) * 20,
        policies=(text,) * 20,
        statuses=(status,) * rows,
        links=tuple(Link(text, url) for url in LINKS),
        documents=(Document(f"../{text}", "text/html", text),),
    )
    return Message(key="hostile-post", thread=text, kind="digest", severity=None, title=text, post=post)


TEXTS = st.text(max_size=400) | st.lists(st.sampled_from(BAD[:7]), max_size=4).map("".join)
MESSAGES = st.builds(hostile, TEXTS, st.sampled_from(["firing", "update", "resolved"])) | st.builds(
    hostile_post, TEXTS, st.integers(0, 60)
)
