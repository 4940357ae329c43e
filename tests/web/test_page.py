"""The page: one card an incident, and whatever texts hold, it stands."""

from __future__ import annotations

import re
import time
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from slo_engine.notifications import Evidence, Section, Topic
from slo_engine.store import inbox, messages
from slo_engine.web import known_incidents
from slo_engine.web.pages import overview
from slo_engine.web.texts import LONGEST_TITLE
from tests.alerts.payloads import notification
from tests.web.site import ABSENT, PAGE, Site, status

NOW = 1_795_780_800.0
SUPPORT = {"agent_type": "support_agent"}
ATTACK = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
OVERRIDES = "\u202e\u2066\u200f\u061c\u2028\x1b\x00\ufeff"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(time, "time", lambda: NOW)
    return Site(tmp_path)


OUR_SCRIPT = '<script src="/static/page.js" defer>'


def articles(page: str) -> list[str]:
    return re.findall(r"<article.*?</article>", page, re.DOTALL)


def text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def evidence(answer: str, group: dict[str, str] | None = None) -> Evidence:
    sections = (Section("answer", answer),)
    return Evidence("2026-11-27T12:00:00+00:00", 0.5, (Topic("agents", "success", group or SUPPORT, ("x",), sections),))


def payload(status: str = "firing", key: str = "a", **annotations: str) -> dict[str, Any]:
    found = notification(status=status, group_key=key)
    starts = "2026-11-27T09:00:00Z"
    found["alerts"][0] |= {"startsAt": starts, "annotations": {**found["alerts"][0]["annotations"], **annotations}}
    return found


def test_notifications_of_an_incident_are_one_card_with_its_timeline_answer_and_links(site: Site) -> None:
    link = {"runbook_url": "https://runbooks/agents"}
    site.add(payload(**link), NOW - 7200, evidence=evidence("tool web_search times out"), sinks=["pager", "chat"])
    site.add(payload(**link), NOW - 600, sinks=["pager"])
    site.add(payload(key="b"), NOW - 300)
    card, _ = reversed(articles(site.page()))
    assert 'class="incident firing"' in card
    assert 'href="https://runbooks/agents"' in card
    assert 'href="http://prometheus/graph?g0.expr=1"' in card
    assert 'href="http://alertmanager"' in card
    told = text(card)
    assert "Firing since 2026-11-27 09:00:00 UTC , for 3h" in told
    assert "agents success agent_type=support_agent" in told
    assert "tool web_search times out" in told
    assert "first notification: 1 alert pager : pending chat : pending" in told
    assert "repeat pager : pending" in told


def test_a_resolved_incident_says_after_how_long_and_keeps_its_answer(site: Site) -> None:
    site.add(payload(), NOW - 7200, evidence=evidence("tool web_search times out"))
    site.add(payload("resolved"), NOW - 600)
    (card,) = articles(site.page())
    assert 'class="incident resolved"' in card
    # Its end is said to be before it began, and is no end.
    assert "Resolved at 2026-11-27 11:50:00 UTC , after 2h 50min" in text(card)
    assert "tool web_search times out" in card


def test_open_incidents_come_first_pages_before_tickets(site: Site) -> None:
    def of(severity: str, key: str) -> dict[str, Any]:
        return notification(labels={"alertname": key, "severity": severity}, group_key=key)

    site.add(of("page", "a page"), NOW - 400)
    site.add(of("ticket", "a ticket"), NOW - 300)
    site.add(of("page", "over"), NOW - 200)
    site.add({**of("page", "over"), "status": "resolved"}, NOW - 100)
    assert "2 incidents firing" in text(site.page())
    assert [text(card).split()[:2] for card in articles(site.page())] == [
        ["firing", "page"],
        ["firing", "ticket"],
        ["resolved", "page"],
    ]


def test_alert_of_a_row_says_since_when_and_leads_to_its_card(site: Site) -> None:
    site.board.shown = [status(group=SUPPORT, burn={"1h": 9.0}, firing=[PAGE])]
    site.add(payload(), NOW - 7200)
    page = site.page()
    (anchor,) = re.findall(r'<article class="incident firing" id="(\w+)"', page)
    assert f'<a href="/incidents/{anchor}">since <time' in page
    assert "since 2026-11-27 09:00 UTC" in text(page)
    assert "agent_type=support_agent" in page


@pytest.mark.parametrize("kind", ["status", "digest", "report", "of tomorrow"])
@pytest.mark.parametrize(
    "content",
    [
        {},
        {"payload": None, "evidence": None},
        {"post": {"changes": ["passed 50 %"], "lines": [], "links": None}},
        {"post": {"changes": "no list", "lines": [{"not": "a text"}]}},
        {"post": ["no mapping"]},
    ],
)
def test_posts_of_the_engine_are_shown_whatever_their_kind_and_content(
    site: Site, kind: str, content: dict[str, Any]
) -> None:
    site.add_content(content, NOW, "thread", kind, title="Budgets this morning")
    (card,) = articles(site.page())
    assert f"{kind} Budgets this morning" in text(card)
    assert ("passed 50 %" in card) is ("passed 50 %" in str(content))
    assert "No notification has been received" in site.page()


def test_no_text_runs_or_turns_what_stands_beside_it(site: Site) -> None:
    evil = OVERRIDES + ATTACK
    labels = {"alertname": evil, "severity": evil, evil: evil}
    hostile = notification(labels=labels, group_key=evil)
    links = {"generatorURL": "javascript:alert(1)", "annotations": {"summary": evil, "runbook_url": '" onclick="x'}}
    hostile["alerts"][0] |= links
    site.board.shown = [status(group={evil: evil}, unpriced_models=(evil,), firing=[PAGE])]
    site.add(hostile, NOW, evidence=evidence(evil, {evil: evil}), sinks=[evil])
    site.add_content({"post": {"changes": [evil]}}, NOW, "post", "status", title=evil)
    posted = site.database.write(lambda found: inbox.accept(found, evil.encode(), NOW))
    site.database.write(lambda found: inbox.quarantine(found, posted, evil))
    answer = site.ask("GET", "/")
    assert re.findall("<script[^>]*>", answer.text) == [OUR_SCRIPT]
    assert "<img" not in answer.text
    assert "javascript:" not in answer.text
    assert not re.search(r"<[^>]*\sonclick", answer.text)
    assert not set(OVERRIDES) & set(answer.text)
    assert "style=" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "script-src 'self';" in policy


def test_a_huge_label_is_cut_with_its_beginning_in_the_title(site: Site) -> None:
    huge = "x" * 100_000
    site.board.shown = [status(group={"agent_type": huge}, unpriced_models=(huge,), burn={"1h": 0.0})]
    labels = {"alertname": huge, "severity": huge, "agent_type": huge}
    site.add(notification(labels=labels), NOW, evidence=evidence(huge, {"agent_type": huge}), sinks=[huge])
    page = site.page()
    assert len(page) < 40_000
    assert f'title="agent_type={huge[: LONGEST_TITLE - 11]}…"' in page
    assert max(len(word) for word in text(page).split()) <= 1100


def test_letters_that_are_written_from_right_to_left_and_joined_emoji_stay(site: Site) -> None:
    site.board.shown = [status(group={"agent_type": "שלום 👩\u200d🔧"})]
    assert "<bdi>agent_type=שלום 👩\u200d🔧</bdi>" in site.page()


def test_what_is_not_scrubbed_yet_is_not_shown(site: Site) -> None:
    secret = payload(runbook_url="https://runbooks/?token=sk-lf-0123456789abcdef")
    site.add(secret, NOW, finished=False)
    page = site.page()
    assert "gathering evidence" in page
    assert "sk-lf-" not in page


def test_a_row_without_data_says_nothing_of_rates_and_exhaustion(site: Site) -> None:
    site.board.shown = [status(left=None, firing=[ABSENT])]
    row = text(re.findall(r"<tbody.*?</tbody>", site.page(), re.DOTALL)[0])
    assert row == "agents success agent_type=support_agent ticket SLODataAbsent no data 98 % over 30d"


def test_an_incident_is_whole_although_its_notifications_are_many(site: Site) -> None:
    for index in range(60):
        site.add(payload(), NOW - (60 - index) * 14_400)
    (card,) = articles(site.page())
    assert "50 notifications in between" in card
    assert "first notification" in card


def test_the_page_has_a_bound_however_many_and_large_the_messages(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_incidents, "READ_CHARACTERS", 200_000)
    monkeypatch.setattr(known_incidents, "READ_HEADS", 50)
    for index in range(60):
        large = {**payload(key=str(index)), "filler": "x" * 50_000}
        site.add(large, NOW - 60 + index)
    read: list[int] = []
    by_id = messages.by_id

    def noted(connection: Connection, ids: list[int]) -> dict[int, messages.StoredMessage]:
        read.extend(ids)
        return by_id(connection, ids)

    monkeypatch.setattr(messages, "by_id", noted)
    page = site.page()
    assert len(articles(page)) == overview.SHOWN_INCIDENTS
    assert "30 earlier incidents" in text(page)
    # The newest are read; the others are shown as far as they are known.
    assert read == [60, 59, 58]


def test_the_page_reads_no_more_often_as_incidents_grow(site: Site) -> None:
    def reads() -> int:
        count = 0

        def counted(*_: Any) -> None:
            nonlocal count
            count += 1

        site.database.read(lambda found: event.listen(found.engine, "before_cursor_execute", counted))
        site.page()
        site.database.read(lambda found: event.remove(found.engine, "before_cursor_execute", counted))
        return count

    site.add(payload(key="0"), NOW)
    one = reads()
    for index in range(1, 12):
        site.add(payload(key=str(index)), NOW)
    assert reads() == one
