"""What docs/sinks.md and docs/posts.md say is held to the code: every example loads, every table is complete."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from slo_engine.connect import Connection
from slo_engine.connect.client import Answer
from slo_engine.delivery import SINKS, Misconfigured, Outcome, Refused, Retry
from slo_engine.delivery.courier import remarks
from slo_engine.delivery.http import HttpSender
from slo_engine.delivery.route_settings import HoursSettings, MatchSettings
from slo_engine.delivery.sink import SinkSettings
from slo_engine.notifications.alertmanager import PLAIN_ALERTS, PLAIN_CHARACTERS
from slo_engine.notifications.outline import Outline
from slo_engine.posts.settings import CrossingSettings, ScheduleSettings, StepSettings
from slo_engine.settings import load_settings
from slo_engine.store import outbox
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


OUTCOMES: tuple[Outcome | None, ...] = (
    None,
    Retry(""),
    Retry("", is_limit=True),
    Misconfigured(""),
    Misconfigured("", is_too_large=True),
    Refused(""),
)
"""Of the rows of the table of answers, from top to bottom."""


@pytest.mark.parametrize(("place", "expected"), [*enumerate(OUTCOMES)])
def test_each_status_means_what_its_row_says(place: int, expected: Outcome | None) -> None:
    rows = SINKS_PAGE.table("What an answer means").body
    assert len(rows) == len(OUTCOMES)
    statuses = [int(text) for text in re.findall(r"\b\d{3}\b", rows[place][0].replace("2xx", "200, 202, 204"))]
    assert statuses
    sender = HttpSender(Connection("https://sink.example"), "the sink")
    for status in statuses:
        answer = Answer(status, {}, b"")
        outcome = sender.outcome(answer)
        if isinstance(outcome, Answer):
            assert expected is None, status
        else:
            assert replace(outcome, reason="") == expected, status


def test_the_plain_form_is_as_short_as_it_says() -> None:
    assert f"the first {PLAIN_ALERTS} alerts, and the first {PLAIN_CHARACTERS} characters" in SINKS_PAGE.text


def test_a_remark_reads_as_the_courier_writes_it() -> None:
    came = datetime(2026, 11, 23, 17, 4, 2, tzinfo=UTC).timestamp()
    message = SimpleNamespace(received_at=came)
    missed = [outbox.Missed("firing", came - hours * 3600) for hours in (2, 1)]
    claim: Any = SimpleNamespace(message=message, missed=missed)
    text = " ".join(SINKS_PAGE.text.split())
    for said in remarks(claim, came + 2.2 * 3600):
        assert f"`{said}`" in text


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
