"""The JSON is what Grafana takes, and the same each time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slo_engine.dashboards import render
from slo_engine.definitions import load
from slo_engine.definitions.slo import SloSet
from tests.dashboards.queries import SOURCE, dashboards
from tests.definitions.writing import slo, slo_file, write

ROOT = Path(__file__).parent.parent.parent


def read_and_written(page: dict[str, Any]) -> dict[str, Any]:
    """What the types of the SDK make of a dashboard. They are imported late, for that takes half a second."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from grafana_foundation_sdk.cog.encoder import JSONEncoder
        from grafana_foundation_sdk.cog.plugins import register_default_plugins
        from grafana_foundation_sdk.models.dashboard import Dashboard
    register_default_plugins()
    found: dict[str, Any] = json.loads(JSONEncoder().encode(Dashboard.from_json(page)))
    return found


@pytest.fixture(scope="module")
def slos() -> SloSet:
    return load([ROOT / "slos"])


@pytest.fixture(scope="module")
def pages(slos: SloSet) -> list[dict[str, Any]]:
    return dashboards(slos)


def panels(pages: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((page["title"], panel) for page in pages for panel in page["panels"] if panel["type"] != "row")


def test_the_types_of_the_sdk_know_every_key(pages: list[dict[str, Any]]) -> None:
    for page in pages:
        read = read_and_written(page)
        for each in (*read["annotations"]["list"], *read["links"]):
            del each["placement"]  # a constant of the types, which is left out
        assert read == page


def test_a_key_that_the_types_do_not_know_would_be_seen(pages: list[dict[str, Any]]) -> None:
    wrong = json.loads(json.dumps(pages[0]))
    next(panel for panel in wrong["panels"] if panel["type"] == "timeseries")["options"]["legnd"] = {}
    assert read_and_written(wrong)["panels"] != wrong["panels"]


def test_the_same_slos_give_the_same_bytes_in_every_process(slos: SloSet) -> None:
    program = (
        "import sys; from pathlib import Path; from slo_engine.definitions import load; "
        "from tests.dashboards.queries import SOURCE; from slo_engine.dashboards import render; "
        "sys.stdout.write(''.join(render(load([Path('slos')]), SOURCE).values()))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "".join(render(slos, SOURCE).values())


def test_ids_are_unique_in_a_dashboard(pages: list[dict[str, Any]]) -> None:
    for page in pages:
        ids = [panel["id"] for panel in page["panels"]]
        assert len(ids) == len(set(ids)), page["title"]
    assert len({page["uid"] for page in pages}) == len(pages)


def test_no_two_panels_stand_on_the_same_place(pages: list[dict[str, Any]]) -> None:
    for page in pages:
        taken: set[tuple[int, int]] = set()
        for panel in page["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24, panel["title"]
            cells = {(x + place["x"], y + place["y"]) for x in range(place["w"]) for y in range(place["h"])}
            assert not cells & taken, panel["title"]
            taken |= cells


def test_every_panel_says_what_it_shows_and_its_series_have_names(pages: list[dict[str, Any]]) -> None:
    for title, panel in panels(pages):
        assert panel["title"], title
        assert panel["description"].endswith("."), panel["title"]
        assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]
        if panel["type"] in {"timeseries", "state-timeline"}:
            assert panel["options"]["legend"]["showLegend"] is True, panel["title"]


def test_every_query_asks_the_data_source_that_is_chosen(pages: list[dict[str, Any]]) -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    for page in pages:
        source, *others = page["templating"]["list"]
        assert (source["type"], source["current"]["value"]) == ("datasource", "prometheus")
        assert [variable["datasource"] for variable in others] == [chosen] * len(others)
        assert all(annotation["datasource"] == chosen for annotation in page["annotations"]["list"])
    for _, panel in panels(pages):
        assert [panel["datasource"], *(target["datasource"] for target in panel["targets"])] == [chosen] * (
            1 + len(panel["targets"])
        )


def test_every_variable_that_is_used_is_there_and_every_one_there_is_used(pages: list[dict[str, Any]]) -> None:
    for page in pages:
        there = {variable["name"] for variable in page["templating"]["list"]}
        asked = re.findall(r"\$\{?([a-z]\w*)", json.dumps([page["panels"], page["templating"], page["annotations"]]))
        assert set(asked) == there, page["title"]


def test_a_link_leads_to_a_dashboard_that_is_there(pages: list[dict[str, Any]]) -> None:
    linked = set(re.findall(r"/d/([\w-]+)\?", json.dumps(pages)))
    assert linked == {"slo-engine-slo"}
    (page,) = [page for page in pages if page["uid"] in linked]
    assert {"service", "slo"} <= {variable["name"] for variable in page["templating"]["list"]}


def test_error_rate_is_green_then_orange_from_5_and_red_from_15_percent(pages: list[dict[str, Any]]) -> None:
    (panel,) = [panel for _, panel in panels(pages) if panel["title"] == "Error rate"]
    assert panel["fieldConfig"]["defaults"]["unit"] == "percent"
    assert [(step["value"], step["color"]) for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]] == [
        (None, "green"),
        (5, "orange"),
        (15, "red"),
    ]


def test_an_id_stays_when_another_policy_has_other_tiers(tmp_path: Path) -> None:
    def ids(policy: str) -> dict[str, int]:
        file = write(tmp_path / "agents.yaml", slo_file(slo("success", f"alerting: {{policy: {policy}}}")))
        (page,) = [page for page in dashboards(load([file])) if page["uid"] == "slo-engine-slo"]
        return {panel["title"]: panel["id"] for panel in page["panels"]}

    agent, other = ids("agent"), ids("page-at-5x")
    assert agent.keys() - other.keys()
    assert {title: agent[title] for title in other} == other
