"""The whole loop on real parts: an agent fails, Prometheus alerts, Alertmanager posts, the enriched page arrives."""

from __future__ import annotations

import html
import json
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.stack.stack import REPOSITORY, Options, Stack
from slo_engine import amounts
from slo_engine.definitions import load
from tests.dashboards.queries import dashboards, panel_queries
from tests.e2e.browser import screenshot, visit
from tests.e2e.engine import get
from tests.waiting import wait_for
from tests.web.visitor import Visitor, chromium

# The rules are evaluated once a minute, whatever the test would like: the loop takes two to three.
pytestmark = [pytest.mark.stack, pytest.mark.timeout(480), pytest.mark.takes(seconds=300)]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    options = Options(
        folder=tmp_path_factory.mktemp("stack"),
        incident_after=20.0,
        incident_for=600.0,
        agent_pause=0.2,
        force_standin=True,
    )
    with Stack(options) as running:
        yield running


def notification(stack: Stack, slo: str, agent: str, *, within: float = 300) -> dict[str, Any]:
    """The first notification of an SLO, as the receiver got it."""

    def look() -> dict[str, Any] | None:
        stack.raise_if_a_part_has_ended()
        for each in get(f"{stack.receiver_url}/pages"):
            labels = each["message"]["commonLabels"]
            if (labels.get("slo"), labels.get("agent_type")) == (slo, agent):
                message: dict[str, Any] = each["message"]
                return message
        return None

    return wait_for(f"the enriched notification of the SLO {slo}", look, within=within, every=1.0)


@pytest.fixture(scope="module")
def page(stack: Stack) -> dict[str, Any]:
    """The page of the burning success SLO."""
    return notification(stack, "success", "support_agent")


def ledger(stack: Stack) -> dict[str, dict[str, Any]]:
    """How each run really ended, by trace id, from the agents themselves."""
    runs = [json.loads(line) for line in stack.ledger.read_text().splitlines()]
    return {run["trace_id"]: run for run in runs}


def ask(stack: Stack, tool: str, **arguments: Any) -> Any:
    """What a tool tells an assistant, as one POST."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    accept = {"accept": "application/json, text/event-stream"}
    answer = httpx.post(f"{stack.engine_url}/mcp", json=call, headers=accept, timeout=30).json()
    return json.loads(answer["result"]["content"][0]["text"])


def test_an_assistant_is_told_what_the_page_says_and_its_queries_give_its_figures(
    stack: Stack, page: dict[str, Any]
) -> None:
    why = ask(stack, "why_did_it_page")
    assert (why["state"], why["severity"]) == ("firing", "page")
    runs = ledger(stack)
    traces = [url for cause in why["subjects"][0]["causes"] for url in cause["traces"]]
    assert traces
    assert {runs[url.rpartition("/")[2].partition("?")[0]]["outcome"] for url in traces} == {"error"}
    for row in ask(stack, "slo_status", service="agents", slo="success")["slos"]:
        samples = query(stack, row["budget_query"])
        assert [sample["metric"]["agent_type"] for sample in samples] == [row["group"]["agent_type"]]
        windows = {sample["metric"]["slo_window"] for sample in query(stack, row["burn_rate_query"])}
        assert windows >= row["burn_rate"].keys() - {"5m"}  # an agent that has just gone idle has none


def query(stack: Stack, expr: str) -> list[dict[str, Any]]:
    answer = get(f"{stack.prometheus.url}/api/v1/query?{urllib.parse.urlencode({'query': expr})}")
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def test_traces_in_the_page_are_those_of_runs_that_failed_and_of_none_that_succeeded(
    stack: Stack, page: dict[str, Any]
) -> None:
    runs = ledger(stack)
    subject = page["enrichment"]["subjects"][0]
    named = [trace["id"] for cause in subject["traces"]["causes"] for trace in cause["traces"]]
    assert named
    assert {(runs[trace]["agent_type"], runs[trace]["outcome"]) for trace in named} == {("support_agent", "error")}
    shown = json.dumps(page)
    assert not [trace for trace, run in runs.items() if run["outcome"] == "success" and trace in shown]
    assert any(run["outcome"] == "success" and run["agent_type"] == "support_agent" for run in runs.values())


def test_the_page_says_why(page: dict[str, Any]) -> None:
    subject = page["enrichment"]["subjects"][0]
    cause = subject["traces"]["causes"][0]
    assert cause["what"] == "tool web_search"
    assert cause["message"] == "TimeoutError: search index shard-<n> did not answer within <n> s"
    assert cause["share"] == 1.0
    assert cause["count"] == subject["traces"]["failed"] > 10
    annotations = page["alerts"][0]["annotations"]
    assert f"{cause['count']} of {cause['count']}: tool web_search" in annotations["slo_engine_causes"]
    assert all(trace["url"] in annotations["slo_engine_traces"] for trace in cause["traces"])


def test_its_first_line_names_tool_message_prompt_version_and_model(page: dict[str, Any]) -> None:
    answer = page["alerts"][0]["annotations"]["slo_engine_answer"]
    assert answer.startswith(
        "100 % of failing runs: tool web_search, TimeoutError: search index shard-<n> did not answer"
    )
    assert "model claude-sonnet-4-5" in answer
    assert "prompt support v12" in answer


def test_the_page_says_what_the_budget_is_doing(page: dict[str, Any]) -> None:
    status = page["enrichment"]["subjects"][0]["status"]
    assert (status["service"], status["slo"], status["group"]) == ("agents", "success", {"agent_type": "support_agent"})
    assert status["objective"] == 98.0
    assert status["burn_rate"]["1h"] == pytest.approx(status["error_ratio"]["1h"] / 0.02)
    assert status["burn_rate"]["1h"] > 5
    assert status["error_budget_remaining"] < 0
    assert "overspent" in page["alerts"][0]["annotations"]["slo_engine_budget"]
    assert page["enrichment"]["missing"] == []


def test_the_page_is_alertmanagers_payload_and_nothing_is_taken_from_it(page: dict[str, Any]) -> None:
    assert page["version"] == "4"
    assert page["status"] == "firing"
    assert {"groupKey", "groupLabels", "commonLabels", "commonAnnotations", "externalURL", "receiver"} <= set(page)
    labels = page["alerts"][0]["labels"]
    assert labels["severity"] == "page"
    # What has run for minutes has one error ratio over all windows: which of them tells first depends on where between
    # their thresholds it is when the rules are evaluated.
    (slo,) = (each for each in load([REPOSITORY / "slos"]).slos if each.key == ("agents", "success"))
    paging = {(str(tier.long), str(tier.short)) for tier in slo.tiers if tier.severity == "page"}
    assert len(paging) == 3
    assert (labels["long_window"], labels["short_window"]) in paging
    assert f"fail over {labels['long_window']}" in page["alerts"][0]["annotations"]["summary"]


def test_links_in_the_page_lead_to_the_failing_traces(page: dict[str, Any]) -> None:
    import urllib.request

    trace = page["enrichment"]["subjects"][0]["traces"]["causes"][0]["traces"][0]
    with urllib.request.urlopen(trace["url"]) as response:
        shown = response.read().decode()
    assert "TOOL web_search" in shown
    assert "ERROR TimeoutError" in shown


def status_command(stack: Stack) -> list[dict[str, Any]]:
    """What `slo-engine status --json` prints, from nothing but its settings file."""
    done = subprocess.run(
        [sys.executable, "-m", "slo_engine", "status", "--json", "--config", str(stack.config)],
        capture_output=True,
        text=True,
        check=True,
        env={"SLO_ENGINE_LANGFUSE__SECRET_KEY": "sk-lf-local", "PATH": ""},
    )
    statuses: list[dict[str, Any]] = json.loads(done.stdout)
    return statuses


def test_status_command_prints_the_contract(stack: Stack, page: dict[str, Any]) -> None:
    def look() -> list[dict[str, Any]] | None:
        # Each SLO's rules are evaluated at a time of their own; the page may be here before the last of them.
        found = status_command(stack)
        return (
            found
            if {"success", "spend"} <= {each["slo"] for each in found if "research_agent" in each["group"].values()}
            else None
        )

    statuses = wait_for("a status of every SLO", look, within=90)
    keys = {
        *("service", "slo", "group", "objective", "window", "error_ratio", "burn_rate", "error_budget_remaining"),
        *("events", "exhausted_at", "firing"),
    }
    assert all(keys <= set(status) for status in statuses)
    by_group = {(status["slo"], *status["group"].values()): status for status in statuses}
    healthy = by_group["success", "research_agent"]
    assert healthy["firing"] == []
    assert healthy["error_budget_remaining"] == 1.0
    assert by_group["success", "batch_agent"]["objective"] == 95.0
    assert by_group["spend", "research_agent"]["objective"] is None
    assert by_group["spend", "research_agent"]["budget"] == {"amount": 3000.0, "currency": "USD"}


def test_status_command_tells_what_fires(stack: Stack, page: dict[str, Any]) -> None:
    def look() -> list[dict[str, str]]:
        found: list[dict[str, str]] = next(
            status["firing"]
            for status in status_command(stack)
            if status["group"] == {"agent_type": "support_agent"} and status["slo"] == "success"
        )
        return found

    # After its start Prometheus writes no ALERTS series before the third evaluation: two minutes at most.
    firing = wait_for("the firing alert", look, within=200, every=2.0)
    assert {each["alert"] for each in firing} == {"SLOErrorBudgetBurn"}
    pages = {(each["long_window"], each["short_window"]) for each in firing if each["severity"] == "page"}
    assert pages
    assert pages <= {("10m", "3m"), ("1h", "5m"), ("6h", "30m")}


def test_error_ratio_in_the_status_is_that_of_the_runs(stack: Stack, page: dict[str, Any]) -> None:
    from datetime import UTC

    status = get(f"{stack.engine_url}/api/v1/slos")
    evaluated_at = datetime.fromisoformat(status["evaluated_at"])
    assert evaluated_at.tzinfo == UTC
    for agent in ("batch_agent", "support_agent"):
        own = ("success", {"agent_type": agent})
        found = next(each for each in status["slos"] if (each["slo"], each["group"]) == own)
        runs = [run for run in ledger(stack).values() if run["agent_type"] == agent]
        began = min(run["at"] for run in runs)
        # What the status says is up to three minutes old: a scrape, a rule evaluation and a cycle of the clock. And
        # Prometheus, which starts after the agents, has not seen how they began.
        truths = [
            sum(run["outcome"] == "error" for run in seen) / len(seen)
            for late in range(0, 181, 5)
            for unseen in range(0, 31, 10)
            if (seen := [run for run in runs if began + unseen <= run["at"] <= evaluated_at.timestamp() - late])
        ]
        assert min(truths) - 0.02 <= found["error_ratio"]["1h"] <= max(truths) + 0.02, (agent, min(truths), max(truths))


def test_browser_shows_budgets_and_the_page_with_its_evidence(
    stack: Stack, page: dict[str, Any], tmp_path: Path
) -> None:
    seen = visit(f"{stack.engine_url}/", tmp_path / "profile")
    assert seen.console == []
    assert "tool web_search" in seen.dom
    assert "search index shard-&lt;n&gt; did not answer" in seen.dom
    trace = page["enrichment"]["subjects"][0]["traces"]["causes"][0]["traces"][0]
    assert f'href="{trace["url"]}"' in seen.dom
    assert "agent_type=support_agent" in seen.dom
    assert 'class="incident firing"' in seen.dom
    assert "Firing since" in seen.dom
    assert html.escape(page["alerts"][0]["generatorURL"]) in seen.dom
    picture = tmp_path / "page.png"
    screenshot(f"{stack.engine_url}/", tmp_path / "profile", picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_pages_say_what_the_status_command_says(stack: Stack, page: dict[str, Any]) -> None:
    with chromium() as browser:
        visitor = Visitor(browser.new_page(viewport={"width": 1280, "height": 900}), stack.engine_url)

        def differences() -> list[str] | None:
            """The engine evaluates once a minute; the command does when it is asked."""
            told = {
                (each["service"], each["slo"], *each["group"].values()): each["error_budget_remaining"]
                for each in status_command(stack)
            }
            visitor.open("/")
            shown = visitor.page.locator("table.budgets tbody tr").evaluate_all(
                "rows => rows.map(row => [row.querySelector('th').innerText, row.querySelector('td.left').innerText])"
            )
            found = [] if len(shown) == len(told) else [f"{len(shown)} rows for {len(told)} groups"]
            for key, left in told.items():
                words = "no data" if left is None else amounts.percent(abs(left))
                rows = [cell for name, cell in shown if all(part in name for part in key)]
                if not any(words in cell for cell in rows):
                    found.append(f"{key}: {words} is not in {rows}")
            return None if found else []

        assert wait_for("the page to say what the command says", lambda: differences() == [] or None, within=150)
        group = urllib.parse.quote("agent_type=support_agent")
        key = get(f"{stack.engine_url}/api/v1/incidents")["incidents"][0]["key"]
        paths = [
            "/",
            f"/slos/agents/success?label={group}&span=6h",
            "/incidents",
            f"/incidents/{key}",
            "/spend",
            "/deliveries",
            "/lab",
        ]
        for path in [*paths, "/lab/replay?slo=agents/success&policy=agent&days=1"]:
            visitor.open(path)
            assert visitor.faults() == [], path
        assert "precision" in visitor.page.content()
        assert (visitor.console, visitor.foreign) == ([], [])


def test_prometheus_scrapes_the_engine_and_keeps_exemplars_of_failing_runs(stack: Stack, page: dict[str, Any]) -> None:
    engine = get(f"{stack.prometheus.url}/api/v1/query?query=slo_engine_slos")
    assert [series["value"][1] for series in engine["data"]["result"]] == ["7"]
    query = "query_exemplars?query=agent_errors_total&start=0&end=4000000000"
    series = get(f"{stack.prometheus.url}/api/v1/{query}")["data"]
    runs = ledger(stack)
    traces = [exemplar["labels"]["trace_id"] for each in series for exemplar in each["exemplars"]]
    assert traces
    assert {runs[trace]["outcome"] for trace in traces if trace in runs} == {"error"}


def test_a_loop_that_spends_is_explained_by_model_and_calls(stack: Stack, page: dict[str, Any]) -> None:
    found = notification(stack, "spend", "batch_agent")
    (subject,) = found["enrichment"]["subjects"]
    assert subject["answer"].startswith("claude-opus-4-1 in batch_agent: ")
    assert subject["spend"]["spenders"][0]["labels"] == {"agent_type": "batch_agent", "model": "claude-opus-4-1"}
    assert "30 calls" in subject["texts"]["spend"]
    assert subject["traces"] is None


def test_low_scores_are_explained_by_what_the_judge_said(stack: Stack, page: dict[str, Any]) -> None:
    found = notification(stack, "answers", "research_agent", within=400)
    (subject,) = found["enrichment"]["subjects"]
    assert "cites document <n>, which was not retrieved" in subject["answer"]
    assert "index 2026-10" in subject["answer"]
    assert subject["traces"] is None


def test_every_query_of_every_dashboard_has_data(stack: Stack, page: dict[str, Any]) -> None:
    # Last: by now all alerts have fired, notifications were sent, and the records of five minutes are there.
    queries = [query for each in dashboards(load([REPOSITORY / "slos"])) for query in panel_queries(each)]
    assert len(queries) > 80

    # This stack has no heartbeat, and no sink that was taken out of its settings.
    without = {"slo-engine: Heartbeats", "slo-engine: Waiting for a sink that is gone"}
    missing = set[str]()

    def look() -> bool:
        missing.clear()
        missing.update(query.name for query in queries if not query.asked(stack.prometheus.url))
        missing.difference_update(without)
        return not missing

    try:
        wait_for("data in all panels", look, within=120, every=5.0)
    except AssertionError:
        assert missing == set()


def test_every_dot_of_a_dashboard_is_a_run_whose_trace_can_be_shown(stack: Stack, page: dict[str, Any]) -> None:
    queries = [query for each in dashboards(load([REPOSITORY / "slos"])) for query in panel_queries(each)]
    dotted = [query for query in queries if query.exemplars]
    assert {query.panel for query in dotted} == {"Errors by category", "How long runs take", "Failing tool calls"}
    runs = ledger(stack)
    for query in dotted:
        asked = urllib.parse.urlencode({"query": query.expr, "start": 0, "end": 4_000_000_000})
        series = get(f"{stack.prometheus.url}/api/v1/query_exemplars?{asked}")["data"]
        traces = {exemplar["labels"]["trace_id"] for each in series for exemplar in each["exemplars"]}
        assert traces & runs.keys(), query.name
        assert all(len(trace) == 32 for trace in traces)


def test_what_happens_to_a_budget_is_told_once_and_freezes_releases(stack: Stack, page: dict[str, Any]) -> None:
    def look() -> list[dict[str, Any]] | None:
        found = [
            each
            for each in get(f"{stack.engine_url}/api/v1/crossings")["crossings"]
            if (each["slo"], each["group"].get("agent_type")) == ("success", "support_agent")
        ]
        return found if any(each["kind"] == "policy_began" for each in found) else None

    told = [each["kind"] for each in wait_for("the crossings of the burning budget", look, within=300, every=2.0)]
    assert (told.count("fell"), told.count("policy_began")) == (1, 1)
    log = (stack.folder / "engine.log").read_text()
    assert log.count("\n  agents success agent_type=support_agent is exhausted") == 1  # among what changed
    command = [sys.executable, "-m", "slo_engine", "policy", "check", "agents", "--engine", stack.engine_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=REPOSITORY)
    assert (done.returncode, "releases frozen" in done.stdout) == (1, True), done.stdout + done.stderr
