"""What docs/dashboards.md says is on the dashboards is there, in that order."""

from __future__ import annotations

import inspect
from pathlib import Path

import yaml

from slo_engine.cli.dashboards import dashboards as command
from slo_engine.dashboards import DASHBOARDS
from slo_engine.definitions import load
from tests.docs.page import FOLDER, names, page

PAGE = page("dashboards.md")


def test_every_panel_is_described_and_none_is_made_up() -> None:
    slos = load([FOLDER.parent / "slos"])
    for build in DASHBOARDS:
        dashboard = build(slos)
        assert [row[0] for row in PAGE.table(dashboard.title).body] == [panel.title for panel in dashboard.panels]


def test_the_options_and_their_defaults_are_those_of_the_command() -> None:
    defaults = {name: parameter.default for name, parameter in inspect.signature(command).parameters.items()}
    (table,) = [table for table in PAGE.tables() if table.head[0] == "option"]
    told = {names(option)[0].removeprefix("--").replace("-", "_"): names(default) for option, default, _ in table.body}
    assert told.keys() == defaults.keys() - {"paths"}
    for name, default in told.items():
        assert not default or default == [str(defaults[name])]


def test_the_data_source_is_shown_as_it_is_provisioned() -> None:
    (block,) = PAGE.blocks("yaml")
    file = Path(FOLDER.parent / "deploy/grafana/provisioning/datasources/slo-engine.yaml")
    (source,) = yaml.safe_load(file.read_text())["datasources"]
    (shown,) = yaml.safe_load(block)["jsonData"]["exemplarTraceIdDestinations"]
    (provisioned,) = source["jsonData"]["exemplarTraceIdDestinations"]
    assert shown["name"] == provisioned["name"]
    assert shown["url"].rpartition("/")[2] == provisioned["url"].rpartition("/")[2]
