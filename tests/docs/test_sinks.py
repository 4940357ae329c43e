"""What docs/sinks.md and docs/posts.md say is held to the code: every example loads, every table is complete."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from slo_engine.delivery import SINKS
from slo_engine.delivery.route_settings import HoursSettings, MatchSettings
from slo_engine.delivery.sink import SinkSettings
from slo_engine.notifications.outline import Outline
from slo_engine.posts.settings import CrossingSettings, ScheduleSettings, StepSettings
from slo_engine.settings import load_settings
from tests.docs.page import Page, page

SINKS_PAGE, POSTS_PAGE = page("sinks.md"), page("posts.md")

USED = {name: {"name": name, "type": "console"} for name in ("pager", "team", "mail")}
"""The sinks that examples name without making them."""


def names(found: Page, heading: str) -> set[str]:
    return {name for row in found.table(heading).body for name in re.findall(r"`([^`]+)`", row[0])}


@pytest.mark.parametrize(
    "text",
    [*SINKS_PAGE.blocks("yaml"), *POSTS_PAGE.blocks("yaml")],
    ids=lambda text: text.strip().splitlines()[1].strip(),
)
def test_every_example_loads(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "slack-firing.j2").write_text("{{ title }}")
    for key, secret in re.findall(r"(\w+)_file: (/[^,}\s]+)", text):
        is_url = key == "url"
        (tmp_path / Path(secret).name).write_text("https://hooks.example/x/y" if is_url else "c2VjcmV0LXNlY3JldA==")
    shown = re.sub(r"_file: /[^,}\s]*/([^,}\s/]+)", r"_file: \1", text)
    data: dict[str, Any] = yaml.safe_load(shown)
    made = {sink["name"] for sink in data.get("sinks", [])}
    data["sinks"] = [*data.get("sinks", []), *(sink for name, sink in USED.items() if name not in made)]
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(data))
    assert load_settings(file).sinks


def test_every_sink_is_in_the_table() -> None:
    assert sorted(row[0].strip("`") for row in SINKS_PAGE.table("Sinks").body) == sorted(SINKS)


def test_the_keys_of_every_sink_are_those_of_its_settings() -> None:
    assert names(SINKS_PAGE, "What every sink takes") == set(SinkSettings.model_fields)


def test_the_names_of_templates_are_those_that_they_see() -> None:
    assert names(SINKS_PAGE, "Templates") == {each.name for each in fields(Outline)} | {"answer", "traces"}


def test_what_a_route_asks_for_is_what_it_can() -> None:
    assert names(SINKS_PAGE, "Routes") == set(MatchSettings.model_fields)
    hours = SINKS_PAGE.table("Routes").body[-1]
    assert set(re.findall(r"`(days|begin|end|zone)`", hours[1])) == set(HoursSettings.model_fields)


@pytest.mark.parametrize(
    ("heading", "known"),
    [
        ("Schedules", set(ScheduleSettings.model_fields)),
        ("Crossings", set(CrossingSettings.model_fields)),
        ("Budget policies", {f"steps[].{name}" for name in StepSettings.model_fields} | {"match"}),
    ],
)
def test_the_keys_of_posts_are_those_of_their_settings(heading: str, known: set[str]) -> None:
    assert names(POSTS_PAGE, heading) == known


@pytest.mark.parametrize("name", ["levels", "recovery", "hold", "forecast", "min_data"])
def test_the_defaults_of_crossings_are_those_of_their_settings(name: str) -> None:
    (default,) = (row[1].strip("`") for row in POSTS_PAGE.table("Crossings").body if row[0] == f"`{name}`")
    said = CrossingSettings.model_fields[name].default
    assert default == (str(list(said)) if isinstance(said, tuple) else str(said))
