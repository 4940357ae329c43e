"""What a message says, cut to what people read and without what would steer a terminal or a reader's eye."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slo_engine.notifications import Evidence, Link, Message, Section, Topic, outline, restored
from slo_engine.notifications.outline import LONGEST_TITLE, MOST_ALERTS, MOST_TRACES, clean, is_address, name_of
from slo_engine.notifications.samples import sample

RTL, ISOLATE = "\u202e", "\u2066"


def firing(alerts: list[object], **payload: object) -> Message:
    return Message("k", "t", "firing", "page", "title", payload={"alerts": alerts, **payload})


def test_what_all_alerts_share_is_said_once_and_of_each_alert_only_the_rest() -> None:
    common = {"slo": "success", "slo_service": "agents"}
    found = outline(
        firing(
            [{"labels": {**common, "agent_type": "a"}}, {"labels": {**common, "agent_type": "b"}}], commonLabels=common
        )
    )
    assert found.facts == (("slo", "success"), ("slo_service", "agents"))
    assert [each.labels for each in found.alerts] == ["agent_type=a", "agent_type=b"]


def test_alerts_that_fire_come_before_those_that_are_over_and_the_rest_is_counted() -> None:
    alerts = [{"status": "resolved", "labels": {"n": str(n)}} for n in range(30)]
    found = outline(firing([*alerts, {"status": "firing", "labels": {"n": "x"}}], truncatedAlerts=7))
    assert (found.alerts[0].status, found.alerts[0].labels) == ("firing", "n=x")
    assert len(found.alerts) == MOST_ALERTS
    assert found.more_alerts == 31 - MOST_ALERTS + 7


def test_only_addresses_of_the_web_are_links_and_each_is_there_once() -> None:
    annotations = {"runbook_url": "javascript:alert(1)", "dashboard_url": "https://g/d"}
    alert = {"labels": {}, "annotations": annotations, "generatorURL": "https://g/d"}
    found = outline(firing([alert] * 3, externalURL="http://am\nX-Header: 1"))
    assert found.links == (Link("Dashboard", "https://g/d"),)


@pytest.mark.parametrize("url", ["ftp://a", "https://a b", "https://a\n", "", None, 7, "HTTPS://a\u202e"])
def test_what_is_no_address(url: object) -> None:
    assert not is_address(url)


def test_of_many_traces_the_first_are_linked() -> None:
    links = tuple(Link(f"t{n}", f"https://l/{n}") for n in range(20))
    topic = Topic("s", "o", {}, sections=(Section("causes", "text", links), Section("answer", "why")))
    found = outline(replace(sample("firing"), evidence=Evidence("", 0.1, (topic,))))
    assert found.traces == links[:MOST_TRACES]
    assert found.answer == "why"
    assert [each.name for each in found.topics[0].said] == ["causes"]


def test_the_time_it_began_is_that_of_the_first_alert_that_fires() -> None:
    times = [
        ("resolved", "2026-11-23T10:00:00Z"),
        ("firing", "2026-11-23T12:00:00Z"),
        ("firing", "2026-11-23T11:00:00Z"),
    ]
    alerts: list[object] = [{"status": status, "startsAt": at} for status, at in times]
    assert outline(firing(alerts)).at == "2026-11-23 11:00 UTC"
    assert outline(firing([{"status": "firing", "startsAt": "soon"}])).at == ""
    assert outline(firing([{"status": "firing"}])).at == ""


@given(st.text(max_size=3000))
def test_no_text_steers_what_shows_it(text: str) -> None:
    shown = clean(text, 500)
    assert len(shown) <= 500
    assert not any(letter in shown for letter in f"{RTL}{ISOLATE}\x1b\r\u2028\ufeff\x00")
    shown.encode()


@given(st.text(max_size=2000))
def test_a_title_is_one_line(title: str) -> None:
    found = outline(Message("k", "t", "firing", None, title)).title
    assert "\n" not in found
    assert len(found) <= LONGEST_TITLE


def test_words_and_emoji_that_are_joined_stay_whole() -> None:
    text = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f469\u200d\U0001f4bb"
    assert clean(text, 100) == text


_ODD = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda each: st.lists(each) | st.dictionaries(st.text(max_size=5), each),
)


@given(_ODD)
def test_an_odd_payload_is_outlined_too(odd: object) -> None:
    for payload in (
        {"alerts": odd if isinstance(odd, list) else [odd]},
        {"alerts": [{"labels": odd, "annotations": odd, "startsAt": odd, "status": odd}], "commonLabels": odd},
        {"alerts": [{}], "truncatedAlerts": odd, "externalURL": odd},
    ):
        outline(Message("k", "t", "firing", None, "title", payload=payload))


def test_budgets_are_told_as_status_has_them() -> None:
    first, second, _ = outline(sample("digest")).budgets
    assert first.name == "agents success agent_type=support_agent"
    assert (first.left, first.burn, first.target) == ("24.5 % left", "24.1x", "objective 98 % over 30d")
    assert (second.target, second.firing) == ("budget 3,000.00 USD in 30d", "")


def test_a_budget_without_data_says_nothing_else() -> None:
    post = sample("digest").post
    assert post is not None
    unknown = {**post.statuses[0], "error_budget_remaining": None}
    (line,) = outline(replace(sample("digest"), post=replace(post, statuses=(unknown,)))).budgets
    assert (line.left, line.burn, line.exhausts, line.note) == ("no data", "", "", "")


def test_a_group_has_the_names_of_its_labels() -> None:
    assert name_of("s", "o", {"agent_type": "a", "region": "eu"}) == "s o agent_type=a, region=eu"


@pytest.mark.parametrize("kind", ["firing", "resolved", "update", "status", "digest", "report"])
def test_a_message_is_the_same_after_the_store(kind: str) -> None:
    import json
    from types import SimpleNamespace

    message = sample(kind)  # type: ignore[arg-type]
    content = json.loads(json.dumps(message.content()))
    stored = SimpleNamespace(**{**vars(message), "content": content})
    assert outline(restored(stored)) == outline(message)
