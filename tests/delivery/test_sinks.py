"""The table of sinks, and the small ones."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import yaml

from slo_engine.delivery import SINKS, Delivered, Retry, sink_of
from slo_engine.delivery.sinks import ConsoleSink
from slo_engine.notifications import Evidence, Link, Message, Missing, Section, Topic
from slo_engine.settings import SettingsError, load_settings
from tests.delivery.fakes.messages import REMARKS

DOCS = Path(__file__).parent.parent.parent / "docs" / "sinks.md"

MESSAGE = Message(
    key="msg_1",
    thread="thread",
    kind="firing",
    severity="page",
    title="agents success: 22 % of events fail",
    evidence=Evidence(
        "2026-11-23T14:30:00+00:00",
        0.2,
        (
            Topic(
                "agents",
                "success",
                {"agent_type": "support_agent"},
                ("f1",),
                (Section("causes", "3 of 4: tool search: boom", (Link("t1", "http://langfuse/t1"),)),),
            ),
        ),
        (Missing("prometheus", "no answer within 5 s"),),
    ),
    payload={"alerts": [{"status": "firing", "labels": {"alertname": "A", "slo": "success"}}] * 25},
)


def settings_of(tmp_path: Path, *sinks: dict[str, object]) -> list[object]:
    file = tmp_path / "slo-engine.yaml"
    file.write_text(yaml.safe_dump({"sinks": list(sinks)}))
    return [*load_settings(file).sinks]


@pytest.mark.parametrize("name", SINKS)
def test_each_row_is_found_by_its_type_and_described(name: str) -> None:
    row = SINKS[name]
    assert get_args(row.settings.model_fields["type"].annotation) == (name,)
    assert f"`type: {name}`" in DOCS.read_text()


def test_the_settings_make_the_sink_that_they_name(tmp_path: Path) -> None:
    one, other = load_settings(_written(tmp_path)).sinks
    assert type(sink_of(one)).__name__ == "WebhookSink"
    assert type(sink_of(other)).__name__ == "ConsoleSink"


def _written(tmp_path: Path) -> Path:
    file = tmp_path / "slo-engine.yaml"
    sinks = [{"name": "a", "type": "webhook", "url": "http://a"}, {"name": "b", "type": "console"}]
    file.write_text(yaml.safe_dump({"sinks": sinks}))
    return file


@pytest.mark.parametrize(
    ("sink", "said"),
    [
        ({"name": "a", "type": "pigeon"}, "sinks.0.type: there is no such sink: write webhook"),
        ({"name": "a"}, "sinks.0.type: is missing: write webhook"),
        ({"name": "A", "type": "console"}, "sinks.0.name: must be lower-case letters"),
        ({"name": "a", "type": "console", "url": "http://a"}, "sinks.0.url: unknown key"),
    ],
)
def test_a_sink_that_is_none_is_refused_with_what_to_write(tmp_path: Path, sink: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        settings_of(tmp_path, sink)


def test_the_console_shows_a_message_as_text() -> None:
    stream = io.StringIO()
    assert asyncio.run(ConsoleSink(stream=stream).send(MESSAGE)) == Delivered()
    lines = stream.getvalue().splitlines()
    assert lines == [
        "Firing [page]: agents success: 22 % of events fail",
        "  agents success agent_type=support_agent",
        "  3 of 4: tool search: boom",
        *["  - firing: alertname=A, slo=success"] * 10,
        "  and 15 more alerts",
        "  Without prometheus: no answer within 5 s",
        "  t1: http://langfuse/t1",
    ]


def test_the_console_says_what_is_to_be_said_of_a_delivery() -> None:
    stream = io.StringIO()
    asyncio.run(ConsoleSink(stream=stream).send(replace(MESSAGE, instead_of="pager", remarks=REMARKS)))
    assert stream.getvalue().splitlines()[1:4] == [
        "  pager could not be reached: this came here instead.",
        *(f"  {each}" for each in REMARKS),
    ]


def test_a_console_that_is_closed_loses_nothing() -> None:
    stream = io.StringIO()
    stream.close()
    assert isinstance(asyncio.run(ConsoleSink(stream=stream).send(MESSAGE)), Retry)


def test_a_console_of_few_letters_shows_what_it_can_and_no_control_character() -> None:
    bytes_written = io.BytesIO()
    stream = io.TextIOWrapper(bytes_written, encoding="latin-1")
    hostile = replace(MESSAGE, title="caf\u00e9 \u2026 \x1b[31mred\nFIRING forged")
    assert asyncio.run(ConsoleSink(stream=stream).send(hostile)) == Delivered()
    first = bytes_written.getvalue().decode("latin-1").splitlines()[0]
    assert first == "Firing [page]: caf\u00e9 ?  [31mred FIRING forged"


@pytest.mark.parametrize("secret", ["whsec_", "not base64", "\u00fc"])
def test_a_secret_that_is_none_is_refused(tmp_path: Path, secret: str) -> None:
    with pytest.raises(SettingsError, match="secret must be base64"):
        settings_of(tmp_path, {"name": "a", "type": "webhook", "url": "http://a", "secret": secret})


def test_rules_are_not_written_to_an_empty_name(tmp_path: Path) -> None:
    file = tmp_path / "slo-engine.yaml"
    file.write_text("rules: {write_to: ''}")
    with pytest.raises(SettingsError, match="write_to: is empty"):
        load_settings(file)
