"""Cards for Microsoft Teams: held to the schema of Adaptive Cards, small enough, and their answers read."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import yaml
from hypothesis import given, settings

from slo_engine.connect import Connection
from slo_engine.delivery import Delivered, Misconfigured, Outcome, Refused, Retry, sink_of
from slo_engine.delivery.forms import Forms
from slo_engine.delivery.markdown import escaped
from slo_engine.delivery.sinks.teams import _PARTS, LARGEST_CARD, TeamsSink, fitting
from slo_engine.notifications import Message, outline
from slo_engine.settings import SettingsError, load_settings
from tests.delivery.fakes.http import FakeServer, send
from tests.delivery.fakes.incident import (
    DIGEST,
    FIRING,
    INCIDENT,
    LINKS,
    MESSAGES,
    REPORT,
    STATUS,
    hostile,
    hostile_post,
)
from tests.delivery.fakes.messages import REMARKS

URL = "https://prod-1.logic.azure.com:443/workflows/0123abcd/triggers/manual/paths/invoke?sig=s3cr3t-signature"
CONNECTION = Connection(URL, is_url_secret=True)

SCHEMA = json.loads((Path(__file__).parent / "contracts" / "teams-message.json").read_text())
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def sent(message: Message, answer: httpx.Response | None = None) -> tuple[Outcome, dict[str, Any]]:
    server = FakeServer(answer or httpx.Response(202))
    outcome = send(TeamsSink(CONNECTION, transport=server.transport), message)
    return outcome, server.bodies[0]


def card_of(body: dict[str, Any]) -> dict[str, Any]:
    VALIDATOR.validate(body)
    card: dict[str, Any] = body["attachments"][0]["content"]
    return card


def elements(card: Any, kind: str) -> list[dict[str, Any]]:
    """All elements of one type, in their order."""
    if isinstance(card, list):
        return [found for each in card for found in elements(each, kind)]
    if not isinstance(card, dict):
        return []
    own = [card] if card.get("type") == kind else []
    return own + [found for each in card.values() for found in elements(each, kind)]


def words(card: dict[str, Any]) -> str:
    texts = [each["text"] for each in elements(card, "TextBlock")]
    facts = [f"{each['title']}: {each['value']}" for one in elements(card, "FactSet") for each in one["facts"]]
    return "\n".join([*texts, *facts])


def addresses(card: dict[str, Any]) -> list[str]:
    return [each["url"] for each in elements(card, "Action.OpenUrl")]


@pytest.mark.parametrize(
    ("name", "head", "style"),
    [
        ("firing", "Firing [page]: agents success", "attention"),
        ("update", "Evidence [page]: agents success", "attention"),
        ("repeat", "Firing [page]: agents success", "attention"),
        ("resolved", "Resolved [page]: agents success", "good"),
    ],
)
def test_each_message_of_an_incident_is_a_card_in_its_colour(name: str, head: str, style: str) -> None:
    outcome, body = sent(INCIDENT[name])
    assert outcome == Delivered({"status": 202})
    card = card_of(body)
    (container,) = elements(card, "Container")
    assert container["style"] == style
    assert container["items"][0]["text"].startswith(head)
    assert card["msteams"] == {"width": "Full"}


def test_a_card_holds_the_reason_the_facts_and_all_links() -> None:
    card = card_of(sent(FIRING)[1])
    said = words(card)
    assert "412 of 455 failures: tool web_search" in said
    assert "agent_type: support_agent" in said
    assert addresses(card) == [
        "https://runbooks.example/agents/success",
        "https://grafana.example/d/slo-detail?var-slo=success",
        "https://prometheus.example/graph?g0.expr=slo%3Asli_error%3Aratio&g0.tab=0",
        "https://alertmanager.example",
        "https://langfuse.example/project/agents/traces/7c0f3a91d2",
    ]


@pytest.mark.parametrize("message", [DIGEST, STATUS])
def test_budgets_are_a_table(message: Message) -> None:
    (table,) = elements(card_of(sent(message)[1]), "Table")
    first, *rows = [[cell["items"][0]["text"] for cell in row["cells"]] for row in table["rows"]]
    assert first == ["Error budget", "Left", "Burn rate, 1h", "Exhausts"]
    assert rows[0] == ["agents success agent_type=support_agent", "24.5 % left", "24.1x", "2026-11-24 00:23 UTC"]
    assert len(rows) == len((message.post and message.post.statuses) or ())


def test_a_report_says_its_lines() -> None:
    assert "7 of 9 objectives met." in words(card_of(sent(REPORT)[1]))


@pytest.mark.parametrize("message", [hostile(), hostile(kind="resolved"), hostile_post()])
def test_hostile_labels_are_words_and_cut_and_the_links_are_there(message: Message) -> None:
    _, body = sent(message)
    card = card_of(body)
    said = words(card)
    assert "<at>" not in said.replace("\\<at\\>", "")
    assert "<script" not in said.replace("\\<", "")
    assert "[here](" not in said
    assert "**bold**" not in said
    assert "\u202e" not in json.dumps(card, ensure_ascii=False)
    assert addresses(card) == list(LINKS)
    assert len(json.dumps(body, ensure_ascii=False).encode()) <= LARGEST_CARD + 2000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("support_agent", "support_agent"),
        ("_emphasis_", "\\_emphasis\\_"),
        ("<at>Bob</at>", "\\<at\\>Bob\\</at\\>"),
        ("[x](y)", "\\[x\\](y)"),
        ("# head\n- item\n1. one", "\\# head\n\\- item\n1\\. one"),
        ("back\\slash", "back\\\\slash"),
        ("24.1x - 5", "24.1x - 5"),
    ],
)
def test_markdown_in_labels_is_shown_as_it_is(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_more_links_than_teams_shows_in_a_row_are_in_a_second_one() -> None:
    links = (*LINKS, *(f"https://trace{number}.example/" for number in range(3, 6)))
    sets = [each["actions"] for each in elements(card_of(sent(hostile("text", links=links))[1]), "ActionSet")]
    assert [len(each) for each in sets] == [6, 3]


def test_an_address_that_is_longer_than_a_card_is_left_out_whole() -> None:
    links = (f"https://long.example/{'a' * 40_000}", *LINKS[1:])
    assert addresses(card_of(sent(hostile("text", links=links))[1])) == list(LINKS[1:])


@given(MESSAGES)
@settings(max_examples=50, deadline=None)
def test_any_text_makes_a_card_within_the_limits(message: Message) -> None:
    forms = Forms("teams", _PARTS)
    body = fitting(outline(message), forms.write("title", message), forms.write("text", message))
    assert len(body) <= LARGEST_CARD
    assert set(addresses(card_of(json.loads(body)))) == set(LINKS)


REFUSED_WITHIN = (
    "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error {} with ContextId tcid=0."
)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(202), Delivered({"status": 202})),
        (httpx.Response(200, text="1"), Delivered({"status": 200})),
        (httpx.Response(429, headers={"retry-after": "17"}), Retry("HTTP 429", 17.0, is_limit=True)),
        (httpx.Response(500), Retry("HTTP 500")),
        (httpx.Response(502, text="bad gateway"), Retry("HTTP 502 (bad gateway)")),
        (httpx.Response(504), Retry("HTTP 504")),
        (httpx.Response(408), Retry("HTTP 408")),
    ],
)
def test_answers_about_the_moment_are_tried_again(answer: httpx.Response, expected: Outcome) -> None:
    assert sent(FIRING, answer)[0] == expected


@pytest.mark.parametrize(
    ("status", "do"),
    [
        (302, "write its final address in url"),
        (401, "let anyone trigger it"),
        (403, "let its owner join the team"),
        (404, "make a new one and write its address in url"),
        (410, "make a workflow and write its address in url"),
        (413, "larger than Teams takes"),
        (405, "HTTP 405"),
    ],
)
def test_what_somebody_has_to_change_in_teams_says_what_to_do(status: int, do: str) -> None:
    outcome = sent(FIRING, httpx.Response(status, text="no"))[0]
    assert isinstance(outcome, Misconfigured)
    assert outcome.is_too_large == (status == 413)
    assert outcome.reason.startswith(f"HTTP {status} (no)")
    assert do in outcome.reason


def test_a_card_that_a_workflow_does_not_take_is_refused_with_what_to_do() -> None:
    outcome = sent(FIRING, httpx.Response(400, text="no"))[0]
    assert isinstance(outcome, Refused)
    assert outcome.reason.startswith("HTTP 400 (no)")
    assert "make it of the template that posts webhook requests to a channel" in outcome.reason


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (REFUSED_WITHIN.format(429), Retry("", is_limit=True)),
        (REFUSED_WITHIN.format(502), Retry("")),
        (REFUSED_WITHIN.format(400), Refused("")),
        (REFUSED_WITHIN.format(413), Misconfigured("", is_too_large=True)),
        (REFUSED_WITHIN.format(403), Misconfigured("")),
        ("Webhook message delivery failed", Retry("")),
    ],
)
def test_a_failure_that_comes_with_a_200_is_what_its_own_status_says(
    said: str, expected: Retry | Misconfigured | Refused
) -> None:
    outcome = sent(FIRING, httpx.Response(200, text=said))[0]
    assert not isinstance(outcome, Delivered)
    assert said in outcome.reason
    assert replace(outcome, reason="") == expected


def test_what_is_to_be_said_of_a_delivery_stands_above_the_reason() -> None:
    said = words(card_of(sent(replace(FIRING, remarks=REMARKS))[1])).splitlines()
    assert [each for each in said if each in REMARKS] == list(REMARKS)
    assert said.index(REMARKS[1]) < min(place for place, each in enumerate(said) if "412 of 455" in each)


def test_what_is_to_be_said_of_a_delivery_is_text() -> None:
    said = words(card_of(sent(replace(FIRING, remarks=("**Late** <at>x</at>",)))[1]))
    assert "\\*\\*Late\\*\\* \\<at\\>x\\</at\\>" in said


def test_a_template_of_the_settings_has_the_remarks() -> None:
    forms = Forms("teams", _PARTS, {"firing": {"title": "{{ title }}: {{ remarks | join(' ') }}"}})
    server = FakeServer(httpx.Response(202))
    send(TeamsSink(CONNECTION, forms, server.transport), replace(FIRING, remarks=REMARKS))
    (container,) = elements(card_of(server.bodies[0]), "Container")
    assert container["items"][0]["text"].endswith(" ".join(REMARKS))


def test_the_address_is_in_no_error_and_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="slo_engine"):
        for status in (200, 400, 404, 429, 500):
            outcome = sent(FIRING, httpx.Response(status, text=f"failed for {URL}: message delivery failed"))[0]
            assert "s3cr3t" not in repr(outcome)
    assert "s3cr3t" not in caplog.text
    sink = TeamsSink(CONNECTION, transport=httpx.MockTransport(_nobody))
    outcome = send(sink, FIRING)
    assert isinstance(outcome, Retry)
    assert "s3cr3t" not in outcome.reason


def _nobody(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError(f"no way to {request.url}")


def test_settings_take_the_address_as_a_secret_and_templates(tmp_path: Path) -> None:
    file = tmp_path / "slo-engine.yaml"
    item = {
        "name": "team",
        "type": "teams",
        "url": URL,
        "templates": {"firing": {"title": "{{ bold(severity) }} {{ title }}"}},
    }
    file.write_text(yaml.safe_dump({"sinks": [item]}))
    (sink,) = load_settings(file).sinks
    assert "s3cr3t" not in repr(sink)
    assert isinstance(sink_of(sink), TeamsSink)
    item["templates"] = {"firing": {"subject": "x"}}
    file.write_text(yaml.safe_dump({"sinks": [item]}))
    with pytest.raises(SettingsError, match="it has title, text"):
        load_settings(file)
