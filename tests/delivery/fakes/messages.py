"""Messages that sinks are tried on: an incident in its course, labels that would be markup, and any text at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from slo_engine.notifications import Evidence, Link, Message, Section, Topic
from slo_engine.notifications.message import Kind, Missing, Post
from slo_engine.notifications.samples import sample

FIRING = sample("firing")
UPDATE = sample("update")
RESOLVED = sample("resolved")
POSTS = [sample("status"), sample("digest"), sample("report")]

REMARKS = (
    "Late by 2.2 h: it came at 2026-11-23 17:04:02 UTC.",
    "1 earlier notification of this incident could not be delivered here in time: firing 2026-11-23 16:04:02 UTC.",
)
"""As the courier says them."""

SAYS = 'search "orders" > 5 & <n> fail'

HOSTILE_TEXTS = {
    "mention": "<!channel> <!here> <@U0123ABCD> @here @channel <!subteam^S1>",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>&amp;&lt;",
    "jinja": "{{7*7}} {% for x in y %} {{ config }}",
    "markdown": "[click](http://evil.example) **b** `c` ![i](http://evil.example/i.png) # h > q | t",
    "slack_link": "<http://evil.example|runbook>",
    "backticks": "``` `x` ``` *bold* _i_ ~s~",
    "lines": "one\r\ntwo\u2028three\x00\x1b[31mfour",
    "bidi": "user\u202egnp.exe \u2066x\u2069 \u200bzero",
    "long": "L" * 100_000,
}


def hostile(kind: Kind = "firing") -> Message:
    """Each of the texts as a label, a summary and a text of the evidence."""
    alerts = [
        {
            "status": "firing",
            "labels": {"alertname": "A", "severity": "page", **HOSTILE_TEXTS, name: text},
            "annotations": {
                "summary": text,
                "description": text,
                "runbook_url": "https://runbooks.example/a?b=1&c=|x>",
            },
            "fingerprint": f"f{number}",
            "generatorURL": "https://prometheus.example/graph?g0.expr=a|b&g0.tab=0",
        }
        for number, (name, text) in enumerate(HOSTILE_TEXTS.items())
    ]
    sections = [
        Section("answer", " ".join(text[:300] for text in HOSTILE_TEXTS.values())),
        *(Section(name, text, (Link(text[:80], f"https://langfuse.example/{name}"),)) for name, text in _named()),
    ]
    return Message(
        key="k",
        thread="t" * 64,
        kind=kind,
        severity="page",
        title=" ".join(text[:100] for text in HOSTILE_TEXTS.values()),
        evidence=Evidence("2026-11-23T17:05:02+00:00", 0.1, (Topic("s", "o", {}, (), tuple(sections)),)),
        payload={
            "status": "firing",
            "commonLabels": {"alertname": "A", "severity": "page", **HOSTILE_TEXTS},
            "externalURL": "https://alertmanager.example",
            "alerts": alerts,
        },
        instead_of="other-sink",
    )


def _named() -> list[tuple[str, str]]:
    return [*HOSTILE_TEXTS.items()]


def with_alerts(message: Message, *names: str, resolved: tuple[str, ...] = ()) -> Message:
    """The same with these alerts, told apart by a label."""
    first: Mapping[str, Any] = (message.payload or {})["alerts"][0]
    alerts = [
        {
            **first,
            "status": "resolved" if name in resolved else "firing",
            "labels": {**first["labels"], "region": name},
            "fingerprint": f"fingerprint-{name}",
        }
        for name in (*names, *resolved)
    ]
    return replace(message, payload={**(message.payload or {}), "alerts": alerts})


def with_answer(message: Message, answer: str) -> Message:
    """The same with another reason."""
    topic = Topic("agents", "success", {}, (), (Section("answer", answer),))
    return replace(message, evidence=Evidence("2026-11-23T17:05:02+00:00", 0.1, (topic,)))


_texts = st.text(max_size=80) | st.sampled_from([*HOSTILE_TEXTS.values(), "", " ", "\u00e9" * 4000, "&" * 3000])
_urls = st.sampled_from(
    [
        "https://a.example/x?y=1&z=2",
        "https://b.example/" + "p" * 900,
        "https://c.example/graph?expr=" + "%3E" * 400,
        "http://d.example/a|b>c<d",
    ]
)
_links = st.builds(Link, _texts, _urls)
_sections = st.builds(
    Section, st.sampled_from(["answer", "budget", "causes"]), _texts, st.lists(_links, max_size=2).map(tuple)
)
_topics = st.builds(
    Topic,
    st.none() | _texts,
    st.none() | _texts,
    st.dictionaries(_texts, _texts, max_size=2),
    st.just(()),
    st.lists(_sections, max_size=4).map(tuple),
)
_alerts = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["firing", "resolved"]),
        "labels": st.dictionaries(_texts, _texts, max_size=4),
        "annotations": st.dictionaries(st.sampled_from(["summary", "description", "runbook_url"]), _texts | _urls),
    },
    optional={"generatorURL": _urls, "fingerprint": _texts, "startsAt": st.just("2026-11-23T17:03:00Z") | _texts},
)
_posts = st.builds(
    Post,
    st.just("2026-11-23T17:05:00+00:00"),
    st.sampled_from(["bad", "warn", "good", "info"]),
    *(st.lists(_texts, max_size=3).map(tuple),) * 3,
    st.lists(st.sampled_from([dict(each) for each in (sample("digest").post or Post("")).statuses]), max_size=60),
    st.lists(_links, max_size=3).map(tuple),
)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Any message, of any kind."""
    kind = draw(st.sampled_from(["firing", "resolved", "update", "status", "digest", "report"]))
    is_post = kind in ("status", "digest", "report")
    evidence = Evidence(
        "2026-11-23T17:05:02+00:00",
        0.1,
        tuple(draw(st.lists(_topics, max_size=3))),
        tuple(draw(st.lists(st.builds(Missing, _texts, _texts), max_size=2))),
    )
    payload = {
        "commonLabels": draw(st.dictionaries(_texts, _texts, max_size=5)),
        "externalURL": "https://alertmanager.example",
        "alerts": draw(st.lists(_alerts, min_size=1, max_size=12)),
    }
    return Message(
        key="k",
        thread=draw(st.text(min_size=1, max_size=600)),
        kind=kind,
        severity=draw(st.none() | st.sampled_from(["page", "ticket", "P0", "info"]) | _texts),
        title=draw(_texts),
        evidence=None if is_post or draw(st.booleans()) else evidence,
        payload=None if is_post else payload,
        post=draw(_posts) if is_post else None,
        instead_of=draw(st.none() | st.just("other")),
    )
