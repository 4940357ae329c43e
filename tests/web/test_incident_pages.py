"""What an incident's page adds up and asserts of the time before and while it fired, and how incidents are found."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from slo_engine.definitions.money import Budget
from slo_engine.evidence.sources.memory import about
from slo_engine.notifications import Evidence, Section, Topic
from slo_engine.store import causes, history, messages, notes
from slo_engine.web import known_incidents
from tests.web.site import Site, status
from tests.web.test_pages import SUPPORT, payload, text

BUDGET = 3000.0
SPEND = ("agents", "spend")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def recorded(site: Site, rates: Mapping[float, Mapping[str, float]], slo: str = "success", **other: Any) -> None:
    """By Unix seconds, burn rates by window."""
    rows = [
        history.StatusRow(at, "agents", slo, SUPPORT, 0.5, status(slo, burn=burn, **other).as_json())
        for at, burn in sorted(rates.items())
    ]
    site.database.write(lambda found: history.append(found, rows))


def newest_key(site: Site) -> str:
    return site.database.read(lambda found: messages.newest_heads(found, 1))[0].key


def incident(site: Site) -> dict[str, Any]:
    answer = site.ask("GET", f"/api/v1/incidents/{newest_key(site)}")
    assert answer.status_code == 200, answer.text
    assert site.ask("GET", f"/incidents/{newest_key(site)}").status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def spent(site: Site) -> str:
    return str(incident(site)["budgets"][0]["money"])


# Money.


def four_hours(site: Site, now: float, *, resolved: bool = True) -> float:
    since = now - 5 * 3600
    site.add(payload(at=since, slo="spend"), since + 10)
    if resolved:
        over = payload("resolved", at=since, slo="spend")
        over["alerts"][0]["endsAt"] = datetime.fromtimestamp(since + 4 * 3600, UTC).isoformat()
        site.add(over, since + 4 * 3600 + 10)
    return since


def burning(since: float, seconds: float, rate: float = 2.0) -> dict[float, dict[str, float]]:
    return {since + 300 * number: {"5m": rate} for number in range(-3, round(seconds / 300) + 4)}


def money_budget(amount: float = BUDGET) -> dict[str, Any]:
    return {"budget": Budget(amount, "USD"), "objective": None}


def test_what_was_spent_is_the_budget_by_the_burn_rates(site: Site) -> None:
    since = four_hours(site, time.time())
    recorded(site, burning(since, 4 * 3600), "spend", **money_budget())
    assert spent(site) == "about 33.33 USD spent meanwhile"  # 2 x 3,000 USD x 4 h / 30 d


def test_where_the_engine_was_away_it_is_at_least_that(site: Site) -> None:
    since = four_hours(site, time.time())
    rates = {at: rate for at, rate in burning(since, 4 * 3600).items() if not 1800 < at - since < 3 * 3600}
    recorded(site, rates, "spend", **money_budget())
    assert spent(site).startswith("at least 1")


def test_a_burn_rate_is_of_the_budget_of_its_time(site: Site) -> None:
    since = four_hours(site, time.time())
    recorded(site, burning(since, 4 * 3600), "spend", **money_budget(BUDGET / 10))
    assert spent(site) == "about 3.33 USD spent meanwhile"


def test_of_an_incident_that_fell_silent_nothing_is_added_up_after_that(site: Site) -> None:
    now = time.time()
    since = now - 9 * 86_400
    site.add(payload(at=since, slo="spend"), since)
    site.add(payload(at=since, slo="spend"), since + 3600)
    recorded(site, burning(since, 8 * 86_400, 3.0), "spend", **money_budget())
    assert incident(site)["state"] == "silent"
    assert spent(site) == "about 12.50 USD spent meanwhile"


def test_a_burn_rate_without_bound_is_no_amount(site: Site) -> None:
    since = four_hours(site, time.time())
    recorded(site, burning(since, 4 * 3600, float("inf")), "spend", **money_budget())
    assert spent(site) == ""


# Before it fired.


def before(site: Site, rates: Mapping[float, Mapping[str, float]]) -> list[str]:
    """What the timeline says before the alert, of an SLO with these burn rates, by seconds to the alert."""
    now = time.time()
    site.add(payload(at=now - 600), now - 590)
    recorded(site, {now - 600 + at: burn for at, burn in rates.items()})
    said = [each["what"] for each in incident(site)["timeline"]]
    return said[: said.index("the alert fires")]


BURNS = "burns faster than the budget lasts"


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ({-900: {"5m": 0.1}, -600: {"5m": 3.0}, -300: {"5m": 9.0}}, [BURNS]),
        ({-900: {"5m": 0.1}, -600: {"5m": 3.0, "1h": 1.5}, -300: {"5m": 0.5, "1h": 9.0}}, [BURNS]),
        ({-900: {"5m": 3.0}, -600: {"5m": 0.1}, -300: {"5m": 0.1}}, []),
        ({-20_000: {"5m": 3.0}}, []),  # nothing is known of the hours before the alert
        ({-20_000: {"5m": 0.1}, -19_700: {"5m": 3.0}}, []),
        ({}, []),
        ({-600: {"5m": 3.0}, -300: {"5m": 9.0}}, []),  # for longer than anybody has looked
    ],
)
def test_since_when_it_burned_is_told_where_records_say_so(
    site: Site, rates: Mapping[float, Mapping[str, float]], expected: Sequence[str]
) -> None:
    assert before(site, rates) == expected


def told(**data: Any) -> Evidence:
    sections = (Section("answer", "x"), Section("causes", "x", data=data))
    return Evidence("2026-11-27T12:00:00+00:00", 0.5, (Topic("agents", "success", SUPPORT, ("x",), sections),))


def test_the_first_failure_is_that_of_any_cause(site: Site) -> None:
    now = time.time()

    def cause(name: str, at: float) -> dict[str, Any]:
        first = datetime.fromtimestamp(at, UTC).replace(tzinfo=None).isoformat()  # of UTC, where no zone is said
        return {"what": name, "message": "m" * 5000, "first_seen": first, "first_seen_is_exact": True, "traces": []}

    causes = [cause("frequent", now - 900), cause("early", now - 2000)]
    site.add(payload(at=now - 600), now - 590, evidence=told(causes=causes))
    first = incident(site)["timeline"][0]
    assert first["what"].startswith("first failure: early: mmm")
    assert len(first["what"]) <= 300
    assert datetime.fromisoformat(first["at"]).timestamp() == pytest.approx(now - 2000, abs=1)


@pytest.mark.parametrize(
    "data",
    [
        {"causes": ["a text", None, 3, ["a"]]},
        {"causes": {"a": "b"}},
        {"causes": None},
        {"causes": [{}]},
        {"causes": [{"what": None, "message": 3, "count": "many", "share": "all", "traces": "t", "first_seen": 5}]},
        {"causes": [{"traces": [None, {"id": 7}, "t"], "first_seen": "0001-01-01T00:00:00+14:00"}]},
    ],
)
def test_evidence_in_a_form_of_another_version_breaks_no_page(site: Site, data: dict[str, Any]) -> None:
    now = time.time()
    site.add(payload(at=now - 600), now - 590, evidence=told(**data))
    assert incident(site)["timeline"][0]["what"] == "the alert fires"
    for path in ("/", "/incidents?q=agents", "/spend", "/slos/agents/success", "/api/v1/incidents"):
        assert site.ask("GET", path).status_code == 200, path


# Finding them.


def total(site: Site, query: str) -> int:
    return int(site.ask("GET", f"/api/v1/incidents?{query}").json()["total"])


def test_a_storm_of_large_incidents_is_found_whole(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_incidents, "READ_CHARACTERS", 30_000)
    now = time.time()
    for number in range(10):
        large = {**payload(key=f"large {number}", at=now - 600), "filler": "x" * 20_000}
        site.add(large, now - 590 + number)
    for query in ("", "service=agents", "slo=success", "q=support_agent", "state=firing"):
        assert total(site, query) == 10, query


def test_it_is_said_how_far_back_one_has_looked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    site.add(payload(key="old", at=now - 6000), now - 5000)
    assert site.ask("GET", "/api/v1/incidents").json()["since"] is None
    monkeypatch.setattr(known_incidents, "READ_HEADS", 20)
    for number in range(30):
        site.add(payload(key="new", at=now - 600), now - 590 + number)
    found = site.ask("GET", "/api/v1/incidents").json()
    assert found["total"] == 1
    assert datetime.fromisoformat(found["since"]).timestamp() == pytest.approx(now - 580, abs=1)
    assert "was not looked through" in text(site.ask("GET", "/incidents?slo=latency").text)


def test_what_was_read_once_is_known_until_something_is_added(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    for number in range(60):
        site.add(payload(key=f"of {number}", at=now - 600), now - 590 + number / 100)
    reads: list[int] = []
    inner = messages.that_fit

    def counted(connection: Any, ids: Sequence[int], characters: int) -> Any:
        reads.append(len(ids))
        return inner(connection, ids, characters)

    monkeypatch.setattr(messages, "that_fit", counted)
    assert total(site, "slo=success&limit=1") == 60
    first = sum(reads)
    reads.clear()
    assert total(site, "slo=success&limit=1") == 60
    assert (first, sum(reads)) == (61, 1)  # and the one that is shown
    site.add(payload("resolved", key="of 3", at=now - 600), now - 10)
    assert total(site, "slo=success&state=resolved") == 1
    monkeypatch.setattr(known_incidents, "REMEMBERED_CHARACTERS", 0)
    assert total(site, "slo=success&limit=1") == 60


# The causes of an SLO.


def test_an_slo_has_its_recent_causes_with_what_is_known_of_them_and_nobody_elses(site: Site) -> None:
    now = time.time()

    def happened(key: str, at: float, cause: str, group: Mapping[str, str], slo: str = "success") -> str:
        site.add(payload(key=key, at=at, slo=slo), at + 10)
        thread = site.database.read(lambda found: messages.newest_heads(found, 1))[0].thread
        failed = about("agents", slo, group)
        site.database.write(lambda f: causes.note(f, failed, [cause], thread=thread, title="t", at=at + 10))
        site.database.write(lambda found: causes.end(found, thread, at + 300))
        return thread

    happened("a", now - 9 * 86_400, "tool search: timeout", SUPPORT)
    happened("b", now - 4000, "tool search: timeout", SUPPORT)
    happened("b", now - 4000, "of another group", {"agent_type": "another"})
    happened("c", now - 3000, "of another SLO", SUPPORT, "latency")
    heads = site.database.read(lambda found: messages.newest_heads(found, 9))
    of_b = next(each for each in heads if each.received_at == pytest.approx(now - 3990, abs=1)).key
    site.database.write(lambda found: notes.add(found, of_b, "ann", "cause", "the proxy was full", now - 100))
    site.board.shown = [status()]
    page = text(site.ask("GET", "/slos/agents/success").text)
    said = page[page.index("Recent causes") : page.index("Definition")]
    assert "tool search: timeout in 2 incidents, last seen" in said
    assert "Caused by: the proxy was full" in said
    assert "another" not in said
    (cause,) = site.ask("GET", "/api/v1/slos/agents/success").json()["causes"]
    assert (cause["cause"], cause["incidents"], cause["caused_by"]) == (
        "tool search: timeout",
        2,
        "the proxy was full",
    )
