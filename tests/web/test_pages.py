"""The pages by their addresses: what they show, who may act, and that their JSON says the same."""

from __future__ import annotations

import gzip
import re
import socket
import time
from datetime import UTC, datetime, timedelta
from html import unescape
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from pydantic import BaseModel
from sqlalchemy import update

from slo_engine.definitions.money import Budget
from slo_engine.notifications import Evidence, Section, Topic
from slo_engine.status.model import Events
from slo_engine.store import budgets, causes, deliveries, history, inbox, messages, notes
from slo_engine.store.tables import outbox
from slo_engine.web import Access, bodies, models
from slo_engine.web.access import COOKIE, is_of_our_page
from slo_engine.web.budgets import sli
from slo_engine.web.readers import AT_ONCE
from tests.alerts.payloads import notification
from tests.web.site import PAGE, TICKET, Site, status

SUPPORT = {"agent_type": "support_agent"}
TOKEN = "a token of the pages"
OURS = {"origin": "http://engine", "host": "engine"}
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, access=Access(TOKEN))


@pytest.fixture
def open_site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def rows_of(page: str) -> list[str]:
    found = re.findall(r'<tr role="row">\s*<th class="slo" scope="row".*?</tr>', page, re.DOTALL)
    return [text(each) for each in found]


def payload(status: str = "firing", key: str = "a", at: float = 0.0, **labels: str) -> dict[str, Any]:
    own = {"slo_service": "agents", "slo": "success", **SUPPORT}
    found = notification(status=status, group_key=key, labels={**own, **labels})
    found["alerts"][0]["startsAt"] = datetime.fromtimestamp(at, UTC).isoformat()
    return found


# Overview.


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["page", "ticket", "burning", "exhausted", "within", "nothing"]),
        ("?state=firing", ["page", "ticket"]),
        ("?state=page", ["page"]),
        ("?state=ticket", ["ticket"]),
        ("?state=burning", ["page", "ticket", "burning"]),
        ("?state=exhausted", ["exhausted"]),
        ("?state=no_data", ["nothing"]),
        ("?state=within", ["within"]),
        ("?service=agents&q=ITH", ["within", "nothing"]),
        ("?service=others", []),
        ("?label=agent_type%3Dsupport_agent&label=x%3Dy", ["within"]),
        ("?label=agent_type%3Dnobody", []),
        ("?sort=name", ["burning", "exhausted", "nothing", "page", "ticket", "within"]),
        ("?sort=budget", ["exhausted", "burning", "page", "ticket", "within", "nothing"]),
        ("?sort=burn", ["page", "ticket", "burning", "exhausted", "within", "nothing"]),
    ],
)
def test_page_and_api_show_what_is_asked_for_in_the_order_that_is_asked_for(
    open_site: Site, query: str, expected: list[str]
) -> None:
    open_site.board.shown = [
        status("nothing", {**SUPPORT, "z": "ith"}, left=None),
        status("within", {**SUPPORT, "x": "y"}, left=0.9, burn={"1h": 0.1}),
        status("exhausted", left=-0.5, burn={"1h": 0.5}),
        status("burning", left=0.4, burn={"1h": 2.0}),
        status("ticket", left=0.5, burn={"1h": 3.0}, firing=[TICKET]),
        status("page", left=0.5, burn={"1h": 9.0}, firing=[PAGE]),
    ]
    page = open_site.ask("GET", f"/{query}").text
    assert [each.split()[1] for each in rows_of(page)] == expected
    if query:
        told = open_site.ask("GET", f"/api/v1/slos{query}").json()
        assert ([each["slo"] for each in told["slos"]], told["total"]) == (expected, len(expected))


def test_a_row_has_sli_events_and_money(open_site: Site) -> None:
    open_site.board.shown = [
        status(burn={"1h": 0.5}, events=Events(52_000, 951), left=0.086),
        status("spend", left=0.4, budget=Budget(3000, "USD"), objective=None, events=Events(3000, 1800)),
    ]
    runs, spend = rows_of(open_site.page())
    assert "99 % 1h" in runs
    assert "951 of 1,040 allowed, 52,000 in all" in runs
    assert "1,800.00 USD of 3,000.00 USD" in spend


def test_what_is_asked_wrongly_is_told(open_site: Site) -> None:
    assert open_site.ask("GET", "/?state=sleepy").status_code == 422
    assert open_site.ask("GET", "/api/v1/slos?sort=colour").status_code == 422


def test_a_page_that_has_not_changed_is_not_sent_again_and_a_large_one_is_compressed(open_site: Site) -> None:
    open_site.board.shown = [status(f"slo-{number}") for number in range(100)]
    first = open_site.ask("GET", "/", headers={"accept-encoding": "gzip"})
    assert first.headers["content-encoding"] == "gzip"
    assert "slo-99" in first.text
    again = open_site.ask("GET", "/", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = open_site.ask("GET", "/", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == first.text
    assert gzip.compress(plain.content) != plain.content


def test_the_thirty_days_of_a_budget_are_drawn(open_site: Site) -> None:
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    kept = [
        history.StatusRow(
            (midnight - timedelta(days=day, minutes=3)).timestamp(), "agents", "success", SUPPORT, left, {}
        )
        for day, left in ((0, 0.5), (3, 0.75), (40, 1.0))
    ]
    open_site.database.write(lambda found: history.append(found, kept))
    open_site.board.trends.refresh(now)
    shown = status(left=0.25)
    trend = open_site.board.trends.of(shown)
    assert len(trend) == 31
    assert [each for each in trend if each is not None] == [0.75, 0.5, 0.25]
    open_site.board.shown = [shown]
    assert 'aria-label="the error budget over 30 days"' in open_site.page()


# An SLO.


def test_an_slo_has_its_pictures_incidents_definition_and_rules(open_site: Site) -> None:
    now = time.time()
    for number in range(48):
        row = status(left=1 - number / 100, burn={"1h": 2.0, "5m": 3.0}).as_json()
        kept = history.StatusRow(now - (48 - number) * 1800, "agents", "success", SUPPORT, 1 - number / 100, row)
        open_site.database.write(lambda found, kept=kept: history.append(found, [kept]))  # type: ignore[misc]
    open_site.board.shown = [status(left=0.52, burn={"1h": 2.0, "5m": 3.0}), status(group={"agent_type": "other"})]
    open_site.add(payload(at=now - 4000), now - 3900)
    open_site.add(payload(key="b", at=now - 4000, slo="latency"), now - 3900)
    page = open_site.ask("GET", "/slos/agents/success?label=agent_type%3Dsupport_agent&span=1d").text
    assert page.count("<figure") == 3
    assert "budget left: 52 %" in unescape(page)
    assert "objective 98 %" in page
    assert len(re.findall('class="incident-line"', page)) == 1
    assert "slo:sli_error:ratio" in page
    assert "<style" not in page  # which the policy of the page would not allow
    assert "owner: ai-platform" in page
    every = open_site.ask("GET", "/slos/agents/success").text
    assert (every.count("<figure"), len(rows_of(every))) == (0, 2)
    assert open_site.ask("GET", "/slos/agents/nothing").status_code == 404
    details = open_site.ask("GET", "/api/v1/slos/agents/success").json()
    assert [each["group"] for each in details["status"]] == [SUPPORT, {"agent_type": "other"}]
    assert "record: slo:sli_error:ratio" in details["rules"]


def links_of(page: str) -> dict[str, str]:
    (found,) = re.findall(r'<p class="links">(.*?)</p>', page, re.DOTALL)
    return {title: unescape(url) for url, title in re.findall(r'<a href="([^"]*)"[^>]*>([^<]*)</a>', found)}


def test_an_slo_leads_to_where_people_look_further(tmp_path: Path) -> None:
    names = ("prometheus", "grafana", "alertmanager", "langfuse")
    site = Site(tmp_path, addresses={each: f"https://{each}.example/at" for each in names})
    site.board.shown = [status()]
    found = links_of(site.ask("GET", "/slos/agents/success?label=agent_type%3Dsupport_agent").text)
    assert list(found) == ["Prometheus", "Grafana", "Alertmanager", "Silence", "LangFuse"]
    asked = dict(parse_qsl(urlsplit(found["Grafana"]).query))
    assert urlsplit(found["Grafana"]).path == "/at/d/slo-engine-slo"
    assert asked == {"var-service": "agents", "var-slo": "success", "var-group": 'agent_type="support_agent"'}
    assert found["LangFuse"] == "https://langfuse.example/at"
    every = links_of(site.ask("GET", "/slos/agents/success").text)
    assert dict(parse_qsl(urlsplit(every["Grafana"]).query))["var-group"] == "$__all"
    # What LangFuse was asked for last, where there was an incident.
    url = "https://langfuse.example/project/p/observations?filter=x"
    read = Section("causes", "timeouts", data={"causes": [], "url": url})
    told = Evidence("2026-11-27T12:00:00+00:00", 0.5, (Topic("agents", "success", SUPPORT, ("x",), (read,)),))
    site.add(payload(at=time.time() - 60), time.time() - 30, evidence=told)
    assert links_of(site.ask("GET", "/slos/agents/success").text)["LangFuse"] == url


# An incident.


def evidence(answer: str) -> Evidence:
    sections = (Section("answer", answer),)
    return Evidence("2026-11-27T12:00:00+00:00", 0.5, (Topic("agents", "success", SUPPORT, ("x",), sections),))


@pytest.fixture
def key(site: Site) -> str:
    now = time.time()
    site.add(payload(at=now - 4000), now - 3900, evidence=evidence("tool web_search times out"))
    site.add(payload(at=now - 4000), now - 2000, evidence=evidence("it is the model now"))
    site.add(payload("resolved", at=now - 4000), now - 60)
    site.add(payload(key="other", at=now - 3000, slo="latency"), now - 2900)
    for at, left in ((now - 4100, 0.9), (now - 70, 0.3)):
        row = status(left=left).as_json()
        kept = history.StatusRow(at, "agents", "success", SUPPORT, left, row)
        site.database.write(lambda found, kept=kept: history.append(found, [kept]))  # type: ignore[misc]
    return site.database.read(lambda found: messages.newest_heads(found, 10))[-1].key


def test_an_incident_says_what_it_cost_how_its_evidence_changed_and_what_else_burned(site: Site, key: str) -> None:
    page = site.ask("GET", f"/incidents/{key}", headers=BEARER).text
    told = text(page)
    assert "error budget 90.0 % before, 30.0 % after ( 60.0 % of it gone)" in told
    changes = told[told.index("How the evidence changed") : told.index("What else burned")]
    assert changes.index("tool web_search times out") < changes.index("it is the model now")
    assert len(re.findall('class="incident-line"', page)) == 1
    found = site.ask("GET", f"/api/v1/incidents/{key}", headers=BEARER).json()
    assert [(each["before"], each["after"]) for each in found["budgets"]] == [(0.9, 0.3)]
    assert (found["state"], found["about"][0]["slo"]) == ("resolved", "success")
    listed = site.ask("GET", "/api/v1/incidents", headers=BEARER).json()
    assert (listed["total"], [each["key"] for each in listed["incidents"]][1]) == (2, key)
    assert site.ask("GET", "/incidents/nothing", headers=BEARER).status_code == 404
    assert site.ask("GET", "/api/v1/incidents/nothing", headers=BEARER).status_code == 404


def test_the_timeline_begins_before_the_alert_where_the_history_and_the_evidence_know_it(site: Site) -> None:
    now = time.time()
    first = datetime.fromtimestamp(now - 4300, UTC).isoformat()
    cause = {"what": "tool web_search", "message": "timeout", "first_seen": first, "first_seen_is_exact": True}
    found = Section("causes", "timeouts", data={"causes": [{**cause, "count": 3, "share": 1.0, "traces": []}]})
    told = Evidence("2026-11-27T12:00:00+00:00", 0.5, (Topic("agents", "success", SUPPORT, ("x",), (found,)),))
    site.add(payload(at=now - 4000), now - 3900, evidence=told)
    for at, rate in ((now - 5000, 0.4), (now - 4700, 1.5), (now - 4400, 9.0), (now - 4100, 20.0), (now - 70, 30.0)):
        row = status(burn={"5m": rate}).as_json()
        kept = history.StatusRow(at, "agents", "success", SUPPORT, 0.5, row)
        site.database.write(lambda found, kept=kept: history.append(found, [kept]))  # type: ignore[misc]
    (head,) = site.database.read(lambda found: messages.newest_heads(found, 10))
    shown = site.ask("GET", f"/api/v1/incidents/{head.key}", headers=BEARER).json()
    assert [each["what"] for each in shown["timeline"]] == [
        "burns faster than the budget lasts",
        "first failure: tool web_search: timeout",
        "the alert fires",
        "first notification: 1 alert",
    ]
    times = [datetime.fromisoformat(each["at"]).timestamp() - now for each in shown["timeline"]]
    assert times == pytest.approx([-4700, -4300, -4000, -3900], abs=1)
    assert datetime.fromisoformat(shown["budgets"][0]["burning_since"]).timestamp() == pytest.approx(now - 4700, abs=1)
    page = text(site.ask("GET", f"/incidents/{head.key}", headers=BEARER).text)
    assert page.index("burns faster") < page.index("first failure: tool web") < page.index("the alert fires")


def test_an_incident_of_money_tells_what_was_spent_while_it_fired_and_not_how_a_rolling_sum_moved(site: Site) -> None:
    now = time.time()
    site.add(payload(at=now - 3600, slo="spend"), now - 3590)
    site.add(payload("resolved", at=now - 3600, slo="spend"), now - 600)
    resolved = site.database.read(lambda found: messages.newest_heads(found, 10))[0]
    budget = site.slos.active.slos.find("agents", "spend")
    assert budget is not None
    amount = budget.budget_for(SUPPORT)
    assert amount is not None
    for number in range(20):
        at = now - 4500 + 300 * number
        # The rolling sum falls: more leaves it than comes.
        spent = Events(amount.amount, 500 - number)
        row = status("spend", burn={"5m": 6.0}, budget=amount, objective=None, events=spent).as_json()
        kept = history.StatusRow(at, "agents", "spend", SUPPORT, 0.5, row)
        site.database.write(lambda found, kept=kept: history.append(found, [kept]))  # type: ignore[misc]
    shown = site.ask("GET", f"/api/v1/incidents/{resolved.key}", headers=BEARER).json()
    seconds = datetime.fromisoformat(shown["ended_at"]).timestamp() - (now - 3600)
    expected = 6.0 * amount.amount * seconds / budget.window.seconds
    said = re.fullmatch(r"about ([0-9.,]+) USD spent meanwhile", shown["budgets"][0]["money"])
    assert said is not None
    assert float(said[1].replace(",", "")) == pytest.approx(expected, rel=0.01)


def test_what_people_say_caused_an_incident_is_told_when_its_cause_comes_back(site: Site, key: str) -> None:
    now = time.time()
    thread = site.database.read(lambda found: messages.thread_of(found, key, 9))[0].thread
    title = "agents success"
    site.database.write(
        lambda found: causes.note(found, "about", ["timeout"], thread=thread, title=title, at=now - 3900)
    )
    site.database.write(lambda found: causes.end(found, thread, now - 60))
    form = {"text": "the proxy was full <b>", "kind": "cause"}
    written = site.ask("POST", f"/incidents/{key}/notes", data=form, headers={**BEARER, **OURS})
    assert (written.status_code, written.headers["location"]) == (303, f"/incidents/{key}#noted")
    page = site.ask("GET", f"/incidents/{key}", headers=BEARER).text
    assert "the proxy was full &lt;b&gt;" in page
    known = site.database.write(
        lambda found: causes.note(found, "about", ["timeout"], thread="another", title=title, at=now + 10)
    )["timeout"]
    assert known is not None
    assert known.caused_by == "the proxy was full <b>"
    assert [each.kind for each in site.database.read(lambda found: notes.of_incident(found, [key]))] == ["cause"]


# Incidents.


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["open latency", "open ticket", "over"]),
        ("state=firing", ["open latency", "open ticket"]),
        ("state=resolved", ["over"]),
        ("state=silent", []),
        ("severity=warning", ["open ticket"]),
        ("severity=page", ["open latency", "over"]),
        ("service=agents", ["open latency", "open ticket", "over"]),
        ("service=other", []),
        ("slo=latency", ["open latency"]),
        ("service=agents&slo=success&state=resolved", ["over"]),
        ("q=LATENCY", ["open latency"]),
        ("q=agent_type%3Dsupport_agent", ["open latency", "open ticket", "over"]),
        ("q=latency+nowhere", []),
    ],
)
def test_incidents_are_found_by_what_they_are_about(open_site: Site, query: str, expected: list[str]) -> None:
    now = time.time()
    names = {}
    for name, slo, severity, ended in (
        ("over", "success", "page", True),
        ("open latency", "latency", "page", False),
        ("open ticket", "success", "warning", False),
    ):
        told = payload(key=name, at=now - 600, slo=slo, severity=severity)
        names[open_site.add(told, now - 500)] = name
        if ended:
            over = payload("resolved", key=name, at=now - 600, slo=slo, severity=severity)
            open_site.add(over, now - 100)
    keys = {each.key: names.get(each.id) for each in open_site.database.read(lambda f: messages.newest_heads(f, 9))}
    found = open_site.ask("GET", f"/api/v1/incidents?{query}").json()
    assert [keys[each["key"]] for each in found["incidents"]] == expected
    assert found["total"] == len(expected)
    page = open_site.ask("GET", f"/incidents?{query}").text
    assert [keys[each] for each in re.findall(r'class="incident-line".*?/incidents/([^"]+)"', page, re.DOTALL)] == (
        expected
    )


def test_more_incidents_than_a_page_shows_come_page_by_page_with_what_was_asked_for(open_site: Site) -> None:
    now = time.time()
    for number in range(120):
        open_site.add(payload(key=f"incident {number}", at=now - 4000, slo="latency"), now - 3900 + number)
    path, seen = "/incidents?slo=latency", []
    for _ in range(3):
        page = unescape(open_site.ask("GET", path).text)
        seen += re.findall(r'class="incident-line".*?/incidents/([^"]+)"', page, re.DOTALL)
        following = re.search(r'<a href="([^"]*)" rel="next">', page)
        path = following[1] if following else ""
        assert not path or "slo=latency" in path
    assert (len(seen), len(set(seen)), path) == (120, 120, "")


# Deliveries.


def test_deliveries_are_found_and_sent_again_by_severity_and_title(site: Site) -> None:
    now = time.time()
    for severity, name in (("page", "alpha"), ("page", "beta"), ("warning", "alpha")):
        content = {"evidence": None, "payload": payload()}
        site.add_content(content, now, f"{severity} {name}", "firing", severity, f"Agent {name}: 100 % fails")
    site.database.write(lambda found: found.execute(update(outbox).values(state="dead")))
    for query, expected in {
        "": 3,
        "severity=page": 2,
        "q=agent+alpha": 2,
        "q=ALPHA&severity=warning": 1,
        "q=100+%25": 3,
        "q=100_%25": 0,
        "severity=nothing": 0,
    }.items():
        found = site.ask("GET", f"/api/v1/deliveries?{query}", headers=BEARER).json()
        assert (found["total"], len(found["deliveries"])) == (expected, expected), query
        page = site.ask("GET", f"/deliveries?{query}", headers=BEARER).text
        assert len(re.findall('<article class="undelivered"', page)) == expected, query
    rest = site.ask("GET", "/api/v1/deliveries?limit=2&offset=2", headers=BEARER).json()
    assert (rest["total"], len(rest["deliveries"])) == (3, 1)
    page = site.ask("GET", "/deliveries?severity=page&q=agent+alpha", headers=BEARER).text
    form = dict(re.findall(r'<input type="hidden" name="(all|sink|severity|q)" value="([^"]*)">', page))
    assert form == {"all": "1", "severity": "page", "q": "agent alpha"}
    sent = site.ask("POST", "/deliveries/resend", data=form, headers={**BEARER, **OURS})
    assert "1+sent+again" in sent.headers["location"]
    assert site.ask("GET", "/api/v1/deliveries", headers=BEARER).json()["total"] == 2


# Who may.


@pytest.mark.parametrize(
    ("path", "form"),
    [("/deliveries/resend", {"all": "1"}), ("/incidents/KEY/notes", {"text": "a note"})],
)
def test_only_who_is_known_acts_and_only_from_our_own_pages(
    site: Site, key: str, path: str, form: dict[str, str]
) -> None:
    path = path.replace("KEY", key)

    def post(**headers: str) -> int:
        return site.ask("POST", path, data=form, headers=headers).status_code

    ours = {name.replace("-", "_"): value for name, value in OURS.items()}
    assert site.ask("POST", path, data=form, headers=OURS).status_code == 303  # to the login page, and nothing is done
    assert site.ask("POST", path, data=form, headers=OURS).headers["location"].startswith("/login")
    assert post(**ours, authorization="Bearer wrong") == 303
    assert post(origin="https://evil.example", host="engine", **BEARER) == 403
    assert (
        site.ask("POST", path, data=form, headers={**OURS, **BEARER, "sec-fetch-site": "cross-site"}).status_code == 403
    )
    session = {"cookie": f"{COOKIE}={Access(TOKEN).session()}"}
    assert post(host="engine", **session) == 403  # no browser posts without an origin
    assert post(host="engine", **session, **BEARER) == 403
    assert site.ask("POST", path, json=form, headers={**OURS, **BEARER}).status_code == 415
    assert site.ask("POST", path, data={"x": "y" * 80_000}, headers={**OURS, **BEARER}).status_code == 413
    assert post(**ours, **BEARER) == 303
    assert post(host="engine", **BEARER) == 303  # a script
    assert post(host="engine", authorization="Bearer wrong") == 401
    assert post(host="engine") == 401


def test_whom_a_proxy_names_acts_from_our_pages_alone_whatever_else_stands_in_its_headers(tmp_path: Path) -> None:
    access = Access(proxy_header="x-user", proxy_networks=(ip_network("127.0.0.0/8"),))
    behind = Site(tmp_path, access=access)
    named = {"x-user": "ann", "host": "engine"}

    def post(**more: str) -> int:
        return behind.ask("POST", "/deliveries/resend", data={"all": "1"}, headers={**named, **more}).status_code

    assert post(**OURS) == 303
    assert post() == 403
    assert post(authorization="Basic anything") == 403  # as some proxies add it
    assert post(origin="https://evil.example") == 403


def test_without_access_everybody_reads_and_nobody_acts(open_site: Site) -> None:
    now = time.time()
    open_site.add(payload(at=now - 100), now - 90)
    key = open_site.database.read(lambda found: messages.newest_heads(found, 1))[0].key
    for path in ("/", "/incidents", f"/incidents/{key}", "/deliveries", "/spend", "/lab"):
        page = open_site.ask("GET", path)
        assert page.status_code == 200
        assert 'method="post"' not in page.text
    assert open_site.ask("POST", f"/incidents/{key}/notes", data={"text": "x"}, headers=OURS).status_code == 403
    assert open_site.ask("GET", "/login").status_code == 303


def test_with_a_token_pages_lead_to_the_login_and_the_api_says_so(site: Site) -> None:
    refused = site.ask("GET", "/spend?x=1")
    assert (refused.status_code, refused.headers["location"]) == (303, "/login?next=%2Fspend%3Fx%3D1")
    assert site.ask("GET", "/api/v1/slos").status_code == 401
    assert TOKEN not in site.ask("GET", "/login?next=/spend").text
    assert [site.ask("GET", path).status_code for path in ("/healthz", "/metrics", "/static/style.css")] == [200] * 3
    wrong = site.ask("POST", "/login", data={"token": "guess"}, headers=OURS)
    assert (wrong.status_code, "set-cookie" in wrong.headers) == (403, False)
    assert site.ask("POST", "/login", data={"token": TOKEN}, headers={**OURS, "origin": "null"}).status_code == 403
    right = site.ask("POST", "/login", data={"token": TOKEN, "next": "/spend"}, headers=OURS)
    assert (right.status_code, right.headers["location"]) == (303, "/spend")
    cookie = right.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= {each.strip() for each in cookie.split(";")}
    assert TOKEN not in cookie
    value = cookie.split(";")[0]
    assert site.ask("GET", "/spend", headers={"cookie": value}).status_code == 200
    assert site.ask("GET", "/spend", headers={"cookie": value[:-1] + "0" * 2}).status_code == 303
    secure = site.ask("POST", "/login", data={"token": TOKEN}, headers={**OURS, "x-forwarded-proto": "https"})
    assert "Secure" in secure.headers["set-cookie"]


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_the_login_leads_nowhere_else(site: Site, target: str) -> None:
    done = site.ask("POST", "/login", data={"token": TOKEN, "next": target}, headers=OURS)
    assert done.headers["location"] == "/"


def test_a_session_ends_and_a_new_token_ends_it() -> None:
    access = Access(TOKEN)

    def who(value: str, of: Access = access) -> str | None:
        return of.who([(b"cookie", f"{COOKIE}={value}".encode())], None)

    assert who(access.session()) is not None
    assert who(access.session(now=time.time() - 13 * 3600)) is None
    assert who(access.session(), Access("another token")) is None
    for broken in ("", ".", "1.2", "9999999999.", f"99999999999999999999.{'0' * 64}", "\u0663.x"):
        assert who(broken.encode("latin-1", "replace").decode("latin-1")) is None


def test_a_proxy_says_who_somebody_is_and_nobody_else_does() -> None:
    access = Access(None, "X-Forwarded-User", (ip_network("10.0.0.0/8"),))
    said = [(b"x-forwarded-user", b"ada")]
    assert access.who(said, "10.1.2.3") == "ada"
    assert access.who(said, "192.0.2.1") is None
    assert access.who(said, None) is None
    assert access.who([*said, (b"x-forwarded-user", b"eve")], "10.1.2.3") is None
    assert access.who([], "10.1.2.3") is None
    assert not access.is_open


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(b"origin", b"https://slo.example"), (b"host", b"engine:8090"), (b"sec-fetch-site", b"same-origin")], True),
        ([(b"origin", b"http://engine"), (b"host", b"engine")], True),
        ([(b"origin", b"http://engine:9099"), (b"host", b"engine:9099"), (b"sec-fetch-site", b"same-origin")], True),
        ([(b"origin", b"http://engine:1"), (b"host", b"engine:9099")], False),
        ([(b"origin", b"null"), (b"host", b"engine")], False),
        ([(b"host", b"engine")], False),
        ([(b"origin", b""), (b"host", b"")], False),
        ([(b"origin", b"http://engine"), (b"host", b"engine"), (b"sec-fetch-site", b"same-site")], False),
    ],
)
def test_a_form_of_another_page_is_known(headers: list[tuple[bytes, bytes]], expected: bool) -> None:
    assert is_of_our_page(headers) is expected


# Deliveries.


@pytest.fixture
def dead(site: Site) -> list[int]:
    from sqlalchemy import update

    from slo_engine.store.tables import outbox

    for number in range(3):
        site.add(payload(key=f"k{number}"), time.time() - 100, sinks=["sink" if number else "gone"])
    site.database.write(lambda found: found.execute(update(outbox).values(state="dead", last_error="HTTP 403")))
    everything = deliveries.Selection()
    return [each.id for each in site.database.read(lambda found: deliveries.find(found, everything, 10))][::-1]


def test_dead_letters_are_sent_again_from_the_page(site: Site, dead: list[int]) -> None:
    gone, first, second = dead

    def states() -> dict[int, str]:
        found = site.database.read(lambda found: deliveries.find(found, deliveries.Selection(), 10))
        return {each.id: each.state for each in found}

    def post(**form: Any) -> httpx.Response:
        return site.ask("POST", "/deliveries/resend", data=form, headers={**OURS, **BEARER})

    page = site.ask("GET", "/deliveries", headers=BEARER).text
    assert page.count("Send again") == 3
    assert "Send all 3 again" in page
    assert states() == dict.fromkeys(dead, "dead")
    done = post(id=first)
    assert done.headers["location"] == "/deliveries?done=1+sent+again"
    assert states() == {gone: "dead", first: "waiting", second: "dead"}
    assert post(id=gone, to="nowhere").status_code == 422
    assert post(id=gone, to="other").status_code == 303
    assert states()[gone] == "waiting"
    assert post(all="1", sink="sink").status_code == 303
    assert set(states().values()) == {"waiting"}
    assert [post(id=each).status_code for each in ("", "x", "0", "9" * 30)] == [422] * 4


def test_sinks_are_told_with_their_breakers(site: Site, dead: list[int]) -> None:
    from slo_engine.store import sink_states

    site.database.write(lambda found: sink_states.hold(found, "sink", 90.0, 5, "HTTP 500"))
    told = {each["sink"]: each for each in site.ask("GET", "/api/v1/sinks", headers=BEARER).json()["sinks"]}
    assert (told["sink"]["breaker"], told["sink"]["reason"], told["sink"]["dead"]) == ("open", "HTTP 500", 2)
    assert (told["other"]["breaker"], told["other"]["dead"]) == ("closed", 0)
    page = text(site.ask("GET", "/deliveries", headers=BEARER).text)
    assert "sink open , tried again in" in page
    assert "other closed 0 0 0" in page
    assert len(dead) == 3


# Spend and policies.


def test_spend_says_what_a_budget_comes_to_at_this_rate(open_site: Site) -> None:
    # A burn rate of 3, the highest of those that say when it exhausts, spends three budgets in the window, 30 days.
    rates = {"1h": 3.0, "6h": 2.0}
    budget = Budget(3000, "USD")
    shown = status("spend", left=0.4, burn=rates, budget=budget, objective=None, events=Events(3000, 1800))
    open_site.board.shown = [shown, status()]
    page = text(open_site.ask("GET", "/spend").text)
    assert "1,800.00 USD 3,000.00 USD 30d 60.0 %" in page
    (told,) = open_site.ask("GET", "/api/v1/spend").json()["budgets"]
    assert told["forecast"] == pytest.approx(9000)
    assert told["in_the_last_hour"] == pytest.approx(3.0 * 3000 / (30 * 24))


def test_the_lab_shows_a_policy_and_refuses_one_that_is_not(open_site: Site) -> None:
    page = open_site.ask("GET", "/lab?policy=google&objective=99&events=60").text
    assert "page 1h/5m x14.4" in page
    assert "432 may fail in 30d" in page
    assert page.count("<figure") == 1
    assert "there is no policy" in text(open_site.ask("GET", "/lab?policy=%3Cscript%3E").text)
    assert open_site.ask("GET", "/lab?objective=100").status_code == 422
    assert "no Prometheus is known" in open_site.ask("GET", "/lab/replay?slo=agents/success&policy=google").text
    assert "there is no SLO" in open_site.ask("GET", "/lab/replay?slo=nobody&policy=google").text


# What the API says, and what it says that it says.


def test_answers_are_as_the_description_has_them(site: Site, key: str, dead: list[int]) -> None:
    """They are not checked where they are written: that would take longer than to write them."""
    site.board.shown = [
        status(burn={"1h": 2.0}, firing=[PAGE], events=Events(52_000, 951), exhausted_at=datetime.now(UTC)),
        status("spend", budget=Budget(3000, "USD"), objective=None, events=Events(3000, 1800)),
        status("nothing", left=None),
    ]
    posted = site.database.write(lambda found: inbox.accept(found, b"nonsense", time.time()))
    site.database.write(lambda found: inbox.quarantine(found, posted, "no JSON"))
    site.database.write(lambda found: notes.add(found, key, "ada", "note", "a text", time.time()))
    described: dict[str, type[BaseModel]] = {
        "slos": models.Statuses,
        "slos/agents/success": models.SloDetails,
        "slos/agents/success/history": models.History,
        "budget-policy/agents": models.Release,
        "crossings": models.Crossings,
        "alerts": models.Notifications,
        "incidents": models.Incidents,
        f"incidents/{key}": models.IncidentDetails,
        "spend": models.Spend,
        "sinks": models.Sinks,
    }
    for path, model in described.items():
        told = site.ask("GET", f"/api/v1/{path}", headers=BEARER).json()
        assert model.model_validate(told, strict=False).model_dump(exclude_unset=True) == told, path
    assert dead


# What must not be lost, shown wrongly, or held up.


def test_a_form_that_does_not_come_ends_and_holds_up_no_reader(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "SECONDS", 3.0)
    head = b"POST /login HTTP/1.1\r\nhost: e\r\norigin: http://e\r\ncontent-type: application/x-www-form-urlencoded\r\n"
    with site.served() as url:
        host, port = url.removeprefix("http://").split(":")
        slow = [socket.create_connection((host, int(port))) for _ in range(AT_ONCE + 2)]
        for each in slow:
            each.sendall(head + b"content-length: 1000\r\n\r\nx")
        begun = time.monotonic()
        assert httpx.get(f"{url}/api/v1/slos", headers=BEARER, timeout=20).status_code == 200
        assert time.monotonic() - begun < 2.5
        assert b" 408 " in slow[0].recv(100)
        for each in slow:
            each.close()


def test_what_browsers_send_besides_logs_nobody_out() -> None:
    access = Access(TOKEN)
    ours = f"{COOKIE}={access.session()}"
    for others in ('a={"x":1}', "prefs=a b", "foo", 'a="q', "x=\xe9"):
        for line in (f"{others}; {ours}", f"{ours}; {others}"):
            assert access.who([(b"cookie", line.encode("latin-1"))], None) is not None, line


def test_too_much_in_a_form_is_refused(site: Site) -> None:
    fields = {f"field{number}": "x" for number in range(60)}
    assert site.ask("POST", "/login", data=fields, headers=OURS).status_code == 422


def test_a_proxy_is_found_by_its_address_in_either_form_of_it() -> None:
    access = Access(None, "X-Forwarded-User", (ip_network("10.0.0.0/8"),))
    assert access.who([(b"x-forwarded-user", b"ada")], "::ffff:10.1.2.3") == "ada"


def test_no_outage_is_too_short_for_the_picture_of_a_month(open_site: Site) -> None:
    now = time.time()
    rows = []
    for number in range(30 * 288):
        burn = 50.0 if 4000 <= number < 4005 else 0.5
        past = status(left=0.5, burn={"5m": burn}).as_json()
        rows.append(history.StatusRow(now - (30 * 288 - number) * 300, "agents", "success", SUPPORT, 0.5, past))
    open_site.database.write(lambda found: history.append(found, rows))
    open_site.board.shown = [status(left=0.4, burn={"5m": 0.25})]
    page = unescape(open_site.ask("GET", "/slos/agents/success?span=30d").text)
    assert "5m: 0.25 x now, between 0.25 x and 50 x" in page
    assert "budget left: 40 % now" in page


def test_an_slo_shows_its_incident_however_many_others_there_were_since(open_site: Site) -> None:
    now = time.time()
    open_site.add(payload(at=now - 4000), now - 3900)
    for number in range(60):
        open_site.add(payload(key=f"other {number}", at=now - 3000, slo="latency"), now - 2900 + number)
    open_site.board.shown = [status()]
    assert 'class="incident-line"' in open_site.ask("GET", "/slos/agents/success").text


def test_the_page_of_a_group_tells_of_no_other_groups_budget(open_site: Site) -> None:
    for group in (SUPPORT, {"agent_type": "other"}):
        kept = budgets.KeptCrossing(time.time() - 60, "agents", "success", group, "low", {"text": f"of {group}"})
        open_site.database.write(lambda found, kept=kept: budgets.add_crossings(found, [kept]))  # type: ignore[misc]
    open_site.board.shown = [status()]
    page = unescape(open_site.ask("GET", "/slos/agents/success?label=agent_type%3Dsupport_agent").text)
    assert "support_agent'}" in page
    assert "other'}" not in page


@pytest.mark.parametrize(
    "past",
    [
        {"events": {"errors": None}, "error_budget_remaining": "much"},
        {"burn_rate": [1, 2], "error_ratio": "none"},
        {"events": [], "burn_rate": None},
    ],
)
def test_history_of_another_version_breaks_no_page(open_site: Site, past: dict[str, Any]) -> None:
    now = time.time()
    kept = history.StatusRow(now - 600, "agents", "success", SUPPORT, None, past)
    open_site.database.write(lambda found: history.append(found, [kept]))
    open_site.add(payload(at=now - 500), now - 400)
    open_site.board.shown = [status(budget=Budget(3000, "USD"), objective=None, events=Events(3000, 1800))]
    key = open_site.database.read(lambda found: messages.newest_heads(found, 1))[0].key
    for path in ("/slos/agents/success", f"/incidents/{key}", "/", "/spend"):
        assert open_site.ask("GET", path).status_code == 200


@pytest.mark.parametrize(
    ("good", "objective", "said"),
    [
        (0.99986, 99.99, "99.986 %"),
        (0.999899, 99.99, "99.9899 %"),
        (0.99996, 99.99, "99.996 %"),
        (0.716, 98.0, "71.6 %"),
        (1.0, 99.9, "100 %"),
        (0.9, None, "90 %"),
    ],
)
def test_an_sli_is_never_rounded_up_to_its_objective(good: float, objective: float | None, said: str) -> None:
    assert sli(good, objective) == said


def test_a_young_budget_of_money_is_forecast_by_what_is_known(open_site: Site) -> None:
    rates = {"1h": 2.4, "1d": 0.1}
    budget = Budget(3000, "USD")
    open_site.board.shown = [
        status("spend", left=0.99, burn=rates, budget=budget, objective=None, events=Events(3000, 10))
    ]
    (told,) = open_site.ask("GET", "/api/v1/spend").json()["budgets"]
    assert told["forecast"] == pytest.approx(7200)


def test_notes_are_found_by_whichever_message_one_came(site: Site, key: str) -> None:
    thread = site.database.read(lambda found: messages.thread_of(found, key, 9))
    note = {"text": "password: hunter2x"}
    written = site.ask("POST", f"/incidents/{thread[0].key}/notes", data=note, headers={**OURS, **BEARER})
    assert written.status_code == 303
    for each in thread:
        page = site.ask("GET", f"/incidents/{each.key}", headers=BEARER).text
        assert 'class="note"' in page
        assert "hunter2x" not in page


def test_who_logs_out_is_out(site: Site) -> None:
    right = site.ask("POST", "/login", data={"token": TOKEN}, headers=OURS)
    cookie = {"cookie": right.headers["set-cookie"].split(";")[0]}
    assert "Log out" in site.ask("GET", "/", headers=cookie).text
    assert site.ask("POST", "/logout", headers={**cookie, "origin": "http://evil", "host": "engine"}).status_code == 403
    done = site.ask("POST", "/logout", data={"x": "y"}, headers={**cookie, **OURS})
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert f'{COOKIE}=""' in done.headers["set-cookie"]
    assert "Max-Age=0" in done.headers["set-cookie"]


@pytest.mark.parametrize(
    ("path", "status_code", "what"),
    [
        ("/nothing", 404, "Not Found"),
        ("/slos/agents/<b>nothing", 404, "there is no SLO '<b>nothing' of 'agents'"),
        ("/?state=sleepy", 422, "state: Input should be"),
    ],
)
def test_a_browser_is_told_on_a_page_what_is_wrong(open_site: Site, path: str, status_code: int, what: str) -> None:
    seen = open_site.ask("GET", path, headers={"accept": "text/html,*/*"})
    assert (seen.status_code, seen.headers["content-type"]) == (status_code, "text/html; charset=utf-8")
    assert what in text(seen.text)
    assert "<b>nothing" not in seen.text
    assert open_site.ask("GET", path).headers["content-type"] == "application/json"
    assert open_site.ask("GET", "/api/v1/nothing", headers={"accept": "text/html"}).json() == {"detail": "Not Found"}


def test_who_may_not_read_is_told_nothing_by_a_mistake(site: Site) -> None:
    seen = site.ask("GET", "/static/nothing", headers={"accept": "text/html"})
    assert (seen.status_code, seen.json()) == (404, {"detail": "Not Found"})
