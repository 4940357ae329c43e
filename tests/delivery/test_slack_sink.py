"""Slack: one message an incident, changed in place, against a fake that refuses what Slack refuses."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from pydantic import SecretStr
from sqlalchemy import Connection

from slo_engine.delivery import Delivered, Misconfigured, Refused, Retry
from slo_engine.delivery.courier import Courier
from slo_engine.delivery.sinks import sink_of, slack_errors
from slo_engine.delivery.sinks.slack import SlackSink, SlackSinkSettings
from slo_engine.delivery.sinks.slack_webhook import SlackWebhookSink, SlackWebhookSinkSettings
from slo_engine.logs import JsonFormatter
from slo_engine.notifications import Message, outline
from slo_engine.settings import SettingsError, load_settings, secrets_of
from slo_engine.store import Database, outbox
from slo_engine.store import messages as stored
from tests.delivery.fakes.messages import (
    FIRING,
    POSTS,
    REMARKS,
    RESOLVED,
    UPDATE,
    hostile,
    messages,
    with_alerts,
    with_answer,
)
from tests.delivery.fakes.service import Reply, as_json, tell
from tests.delivery.fakes.slack import (
    CHANNEL,
    CHANNEL_ID,
    TOKEN,
    SlackHook,
    SlackService,
    alive,
    links_of,
    problem_with,
    texts_of,
)

MENTION = "<!subteam^S0123ABCD>"


@pytest.fixture
def slack() -> Iterator[SlackService]:
    with SlackService() as service:
        yield service


@pytest.fixture
def hook() -> Iterator[SlackHook]:
    with SlackHook() as service:
        yield service


def settings_for(service: SlackService, **more: Any) -> SlackSinkSettings:
    given = {"name": "chat", "type": "slack", "url": f"{service.address}/api", "token": TOKEN, "channel": CHANNEL}
    return SlackSinkSettings.model_validate({**given, **more})


def sink_for(service: SlackService, **more: Any) -> SlackSink:
    return SlackSink.of(settings_for(service, **more))


def hook_settings(service: SlackHook, **more: Any) -> SlackWebhookSinkSettings:
    given = {"name": "chat", "type": "slack_webhook", "url": f"{service.address}{service.path}"}
    return SlackWebhookSinkSettings.model_validate({**given, **more})


def shown(message: dict[str, Any]) -> str:
    return "\n".join(texts_of(message["blocks"]))


def without_evidence(message: Message) -> Message:
    return replace(message, evidence=None)


# The course of an incident


def test_an_incident_is_one_message_that_ends_as_resolved_with_its_course_in_the_thread(slack: SlackService) -> None:
    first = without_evidence(FIRING)
    outcomes = tell(sink_for(slack), first, UPDATE, FIRING, RESOLVED)
    assert all(isinstance(each, Delivered) for each in outcomes)
    assert [method for method, _ in slack.calls] == [
        "chat.postMessage",
        *("chat.update", "chat.postMessage"),  # late evidence: in the message, and in the thread
        "chat.update",  # a repeat that changes nothing
        *("chat.update", "chat.postMessage"),
    ]
    (root,) = slack.roots
    assert texts_of(root["blocks"])[0].startswith("🟢 Resolved [page]: agents success")
    evidence, resolved = slack.replies
    assert shown(evidence).startswith("*Evidence*\n*412 of 455 failures: tool web_search")
    assert shown(resolved).startswith("🟢 *Resolved*: agents success support_agent")
    assert "trace 7c0f3a91" in shown(evidence)


def test_receipts_last_in_the_store_so_that_another_engine_goes_on_with_the_same_message(
    slack: SlackService, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    for number, message in enumerate((FIRING, with_alerts(FIRING, "north"), RESOLVED), start=1):
        database = Database(url)
        _put_out(database, message, time.time())
        _deliver(database, sink_for(slack), number)
        database.close()
    (root,) = slack.roots
    assert texts_of(root["blocks"])[0].startswith("🟢 Resolved")
    assert [shown(each).split("*")[1] for each in slack.replies[1:]] == ["Resolved"]


@pytest.mark.parametrize(
    ("seconds", "roots", "replies"),
    [(outbox.FLAP_SECONDS - 60, 1, ["Resolved", "Firing again"]), (outbox.FLAP_SECONDS + 60, 2, ["Resolved"])],
)
def test_a_group_that_fires_again_within_minutes_goes_on_in_its_thread(
    slack: SlackService, tmp_path: Path, seconds: float, roots: int, replies: list[str]
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    now = time.time()
    for number, (message, at) in enumerate(((FIRING, now - 900), (RESOLVED, now - seconds), (FIRING, now)), start=1):
        _put_out(database, message, at)
        _deliver(database, sink_for(slack), number)
    database.close()
    assert len(slack.roots) == roots
    assert texts_of(slack.roots[-1]["blocks"])[0].startswith("🔴 Firing [page]")
    assert [shown(each).split("*")[1] for each in slack.replies] == replies


def _put_out(database: Database, message: Message, at: float) -> None:
    def write(connection: Connection) -> None:
        new = stored.NewMessage(at, message.thread, message.kind, message.severity, message.title, {}, None)
        number = stored.add(connection, new)
        stored.finish(connection, number, message.content(), ("chat",), time.time())

    database.write(write)


def _deliver(database: Database, sink: SlackSink, number: int) -> None:
    async def run() -> None:
        courier = Courier(database, {"chat": sink})
        task = asyncio.create_task(courier.run())
        async with asyncio.timeout(20):
            while database.read(outbox.counts).get(("chat", "delivered")) != number:  # noqa: ASYNC110 - the store
                await asyncio.sleep(0.01)
        courier.stop()
        await task
        await sink.close()

    asyncio.run(run())


def test_a_late_update_leaves_the_message_firing(slack: SlackService) -> None:
    tell(sink_for(slack), without_evidence(FIRING), UPDATE)
    assert texts_of(slack.roots[0]["blocks"])[0].startswith("🔴 Firing [page]")


def test_a_resolved_message_keeps_the_reason_that_was_given(slack: SlackService) -> None:
    tell(sink_for(slack), FIRING, RESOLVED)
    assert "Reason given before: 412 of 455 failures: tool web_search" in shown(slack.roots[0])


def test_a_repeat_says_in_the_thread_which_alerts_came_and_went_and_what_is_the_reason_now(slack: SlackService) -> None:
    before = with_alerts(with_answer(FIRING, "12 of 30 failures: tool a"), "north", "south")
    after = with_alerts(with_answer(FIRING, "15 of 31 failures: tool b"), "north", "west", resolved=("south",))
    tell(sink_for(slack), before, after)
    (reply,) = slack.replies
    lines = shown(reply).splitlines()
    assert lines == [
        "Firing, too: `region=west`",
        "Resolved: `region=south`",
        "Reason: *15 of 31 failures: tool b*",
    ]


def test_a_repeat_in_which_only_figures_differ_is_quiet(slack: SlackService) -> None:
    tell(
        sink_for(slack),
        with_answer(FIRING, "12 of 30 failures: tool a"),
        with_answer(replace(FIRING, title="burns at 3.1x"), "1,215 of 3,031 failures: tool a"),
    )
    assert not slack.replies
    assert "1,215 of 3,031" in shown(slack.roots[0])


def test_a_group_of_more_alerts_than_are_remembered_tells_none_of_them_as_new(slack: SlackService) -> None:
    many = with_alerts(FIRING, *(f"r{number}" for number in range(500)))
    tell(sink_for(slack), many, with_alerts(FIRING, *(f"q{number}" for number in range(500))))
    assert not slack.replies


def test_an_incident_after_a_resolved_one_is_a_new_message(slack: SlackService) -> None:
    tell(sink_for(slack), FIRING, RESOLVED, FIRING)
    assert len(slack.roots) == 2


def again(slack: SlackService, message: Message, **more: Any) -> Delivered:
    """An incident from its beginning to its end, and anew."""
    _, ended = tell(sink_for(slack, **more), FIRING, RESOLVED)
    assert isinstance(ended, Delivered)
    assert (ended.receipt or {})["ts"] == "1700000000.000000"
    (outcome,) = tell(sink_for(slack, **more), replace(message, goes_on_from=ended.receipt))
    assert isinstance(outcome, Delivered)
    return outcome


def test_what_fires_again_turns_its_message_back_and_tells_the_channel(slack: SlackService) -> None:
    outcome = again(slack, FIRING, mention=MENTION)
    (root,) = slack.roots
    assert texts_of(root["blocks"])[0].startswith("🔴 Firing [page]")
    assert (outcome.receipt or {})["ts"] == "1700000000.000000"
    resolved, reply = slack.replies
    # No alert and no severity is told as new: all of it was there before.
    assert shown(reply).splitlines() == [MENTION, f"🔴 *Firing again*: {FIRING.title}"]
    assert reply["text"].startswith(MENTION)
    assert (resolved["reply_broadcast"], reply["reply_broadcast"]) == (False, True)


def test_what_fires_again_for_another_reason_says_so(slack: SlackService) -> None:
    again(slack, with_answer(FIRING, "15 of 31 failures: tool b"))
    assert shown(slack.replies[-1]).splitlines() == [
        f"🔴 *Firing again*: {FIRING.title}",
        "Reason: *15 of 31 failures: tool b*",
    ]


def test_what_comes_after_goes_on_as_in_any_incident(slack: SlackService) -> None:
    outcome = again(slack, FIRING)
    tell(sink_for(slack), FIRING, RESOLVED, earlier=outcome.receipt)
    assert len(slack.roots) == 1
    assert [shown(each).split("*")[1] for each in slack.replies] == ["Resolved", "Firing again", "Resolved"]


def test_a_resolve_that_comes_once_more_is_not_told_to_the_channel(slack: SlackService) -> None:
    again(slack, RESOLVED)
    assert [each["reply_broadcast"] for each in slack.replies] == [False, False]


@pytest.mark.parametrize("error", [*sorted(slack_errors.NO_THREADS), "thread_not_found"])
def test_where_no_thread_can_say_that_it_fires_again_a_new_message_does(slack: SlackService, error: str) -> None:
    _, ended = tell(sink_for(slack), FIRING, RESOLVED)
    assert isinstance(ended, Delivered)
    slack.script = [as_json(200, ok=True), as_json(200, ok=False, error=error)]
    (outcome,) = tell(sink_for(slack), replace(FIRING, goes_on_from=ended.receipt))
    assert isinstance(outcome, Delivered)
    assert texts_of(slack.roots[1]["blocks"])[0].startswith("🔴 Firing [page]")
    assert (outcome.receipt or {})["ts"] != (ended.receipt or {})["ts"]


def test_what_fires_again_in_another_channel_of_the_settings_begins_there(slack: SlackService) -> None:
    _, ended = tell(sink_for(slack, channel=CHANNEL_ID), FIRING, RESOLVED)
    assert isinstance(ended, Delivered)
    tell(sink_for(slack), replace(FIRING, goes_on_from=ended.receipt))
    assert len(slack.roots) == 2


def test_what_is_to_be_said_of_a_delivery_stands_in_the_message_and_in_late_evidence(slack: SlackService) -> None:
    late = replace(without_evidence(FIRING), remarks=REMARKS)
    tell(sink_for(slack), late)
    assert shown(slack.roots[0]).splitlines()[1:3] == list(REMARKS)
    tell(sink_for(slack), without_evidence(FIRING), replace(UPDATE, remarks=REMARKS))
    assert shown(slack.replies[0]).splitlines()[:3] == ["*Evidence*", *REMARKS]


def test_what_is_to_be_said_of_a_delivery_is_text(slack: SlackService) -> None:
    tell(sink_for(slack), replace(FIRING, remarks=("<!channel> & <http://evil.example|x>",)))
    assert "&lt;!channel&gt; &amp; &lt;http://evil.example|x&gt;" in shown(slack.roots[0])


def test_resolved_without_a_message_before_is_a_message_without_thread(slack: SlackService) -> None:
    tell(sink_for(slack), RESOLVED)
    assert (len(slack.roots), len(slack.replies)) == (1, 0)


def test_a_crash_between_message_and_reply_repeats_the_one_and_loses_neither(slack: SlackService) -> None:
    (begun,) = tell(sink_for(slack), FIRING)
    assert isinstance(begun, Delivered)
    slack.script = [as_json(200, ok=True, channel=CHANNEL_ID, ts="1700000000.000000"), Reply(503)]
    (failed,) = tell(sink_for(slack), RESOLVED, earlier=begun.receipt)
    assert isinstance(failed, Retry)
    tell(sink_for(slack), RESOLVED, earlier=begun.receipt)
    assert texts_of(slack.roots[0]["blocks"])[0].startswith("🟢 Resolved")
    assert len(slack.replies) == 1


@pytest.mark.parametrize("error", sorted(slack_errors.ROOT_GONE))
def test_when_the_message_is_gone_a_new_one_is_begun(slack: SlackService, error: str) -> None:
    (begun,) = tell(sink_for(slack), FIRING)
    assert isinstance(begun, Delivered)
    slack.script = [as_json(200, ok=False, error=error)]
    (outcome,) = tell(sink_for(slack), UPDATE, earlier=begun.receipt)
    assert isinstance(outcome, Delivered)
    assert outcome.receipt is not None
    assert outcome.receipt["ts"] == "1700000000.000001"
    assert not slack.replies


def test_a_thread_that_is_gone_begins_a_new_message(slack: SlackService) -> None:
    (begun,) = tell(sink_for(slack), FIRING)
    assert isinstance(begun, Delivered)
    slack.script = [as_json(200, ok=True), as_json(200, ok=False, error="thread_not_found")]
    (outcome,) = tell(sink_for(slack), RESOLVED, earlier=begun.receipt)
    assert isinstance(outcome, Delivered)
    assert len(slack.roots) == 2


def test_a_channel_without_threads_gets_the_changed_message_alone(slack: SlackService) -> None:
    (begun,) = tell(sink_for(slack), FIRING)
    assert isinstance(begun, Delivered)
    refused = as_json(200, ok=False, error="restricted_action_non_threadable_channel")
    slack.script = [as_json(200, ok=True), refused]
    (outcome,) = tell(sink_for(slack), RESOLVED, earlier=begun.receipt)
    assert isinstance(outcome, Delivered)


def test_another_channel_in_the_settings_begins_a_new_message_there(slack: SlackService) -> None:
    (begun,) = tell(sink_for(slack, channel=CHANNEL_ID), FIRING)
    assert isinstance(begun, Delivered)
    tell(sink_for(slack), UPDATE, earlier=begun.receipt)
    assert [method for method, _ in slack.calls] == ["chat.postMessage", "chat.postMessage"]


@pytest.mark.parametrize("receipt", [{}, {"to": CHANNEL}, {"to": CHANNEL, "channel": 1, "ts": None}, {"status": 200}])
def test_a_receipt_that_names_no_message_begins_a_new_one(slack: SlackService, receipt: dict[str, Any]) -> None:
    (outcome,) = tell(sink_for(slack), FIRING, earlier=receipt)
    assert isinstance(outcome, Delivered)
    assert [method for method, _ in slack.calls] == ["chat.postMessage"]


# Posts


@pytest.mark.parametrize("post", POSTS, ids=lambda post: str(post.kind))
def test_a_post_is_a_message_of_its_own_whatever_was_before(slack: SlackService, post: Message) -> None:
    earlier = {"to": CHANNEL, "channel": CHANNEL_ID, "ts": "1700000000.000009"}
    tell(sink_for(slack), post, earlier=earlier)
    (root,) = slack.roots
    assert [method for method, _ in slack.calls] == ["chat.postMessage"]
    assert "<https://slo-engine.example/|SLOs>" in shown(root)


def test_a_digest_lists_each_budget_with_a_mark_of_how_it_stands(slack: SlackService) -> None:
    tell(sink_for(slack), POSTS[1])
    lines = shown(slack.roots[0]).splitlines()
    assert "🟠 *agents success agent_type=support_agent*: 24.5 % left" in lines
    assert "objective 95 % over 30d · burn rate 0.08x over 1h" in lines
    assert "🟢 *agents latency agent_type=research_agent*: 90.6 % left" in lines


# What stands in it


def test_the_links_of_a_message_are_there_with_names_and_no_button(slack: SlackService) -> None:
    tell(sink_for(slack), FIRING)
    (root,) = slack.roots
    found = outline(FIRING)
    assert links_of(root) == {link.url for link in (*found.links, *found.traces)}
    assert not [block for block in root["blocks"] if block["type"] == "actions"]


def test_slack_is_told_to_leave_texts_and_links_as_they_are(slack: SlackService) -> None:
    tell(sink_for(slack), FIRING, UPDATE)
    posted, changed = slack.calls[0][1], slack.calls[1][1]
    assert (posted["parse"], posted["link_names"]) == (changed["parse"], changed["link_names"]) == ("none", False)
    assert (posted["unfurl_links"], posted["unfurl_media"]) == (False, False)


@pytest.mark.parametrize("kind", ["firing", "update", "resolved"])
def test_hostile_labels_are_text_and_links_are_kept(slack: SlackService, kind: Any) -> None:
    message = hostile(kind)
    (outcome,) = tell(sink_for(slack), message)
    assert isinstance(outcome, Delivered)
    assert "instead_of_blocks" not in (outcome.receipt or {})
    (root,) = slack.roots
    found = outline(message)
    assert {each.partition("|")[0][:4] for each in alive(root)} == {"http"}
    assert links_of(root) == {link.url for link in (*found.links, *found.traces)}
    assert "{{7*7}}" in shown(root)
    assert "\u202e" not in json.dumps(root, ensure_ascii=False)


def test_hostile_labels_are_text_in_replies(slack: SlackService) -> None:
    tell(sink_for(slack), FIRING, hostile("firing"), hostile("update"), hostile("resolved"))
    assert len(slack.replies) == 2  # the update says what the repeat has said
    assert {each.partition("|")[0][:4] for reply in slack.replies for each in alive(reply)} <= {"http"}


def test_an_address_that_slack_cannot_take_is_named_and_the_others_stay(slack: SlackService) -> None:
    (alert,) = (FIRING.payload or {})["alerts"]
    long = {**alert, "generatorURL": "https://prometheus.example/graph?" + "x" * 5000}
    tell(sink_for(slack), replace(FIRING, payload={**(FIRING.payload or {}), "alerts": [long]}))
    assert "Left out, too long for Slack: Prometheus" in shown(slack.roots[0])
    assert "https://alertmanager.example" in links_of(slack.roots[0])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(message=messages())
def test_whatever_a_message_holds_slack_takes_its_blocks(message: Message) -> None:
    from slo_engine.delivery.forms import Forms
    from slo_engine.delivery.sinks.slack import own_form
    from slo_engine.delivery.sinks.slack_blocks import PARTS

    form = own_form(Forms("chat", PARTS), message, mention=MENTION)
    body = {"text": form.text, "blocks": [*form.blocks]}
    assert problem_with(body) == ""
    assert sum(len(text) for text in texts_of(form.blocks)) <= 12_000
    assert problem_with({"text": form.plain}) == ""
    assert len(form.plain) <= 3000
    found = outline(message)
    wanted = list(dict.fromkeys(link.url for link in (*found.links, *found.traces)))
    if sum(map(len, wanted)) < 5000:
        assert links_of(body) == set(wanted)
    assert set(alive(body)) - {MENTION[1:-1]} == {each for each in alive(body) if each.startswith("http")}


# Mentions


def test_a_mention_is_written_for_a_page_that_fires_and_goes_with_it(slack: SlackService) -> None:
    tell(sink_for(slack, mention=MENTION), FIRING)
    assert MENTION in shown(slack.roots[0])
    assert MENTION in slack.roots[0]["text"]
    tell(sink_for(slack, mention=MENTION), replace(FIRING, severity="ticket"))
    assert MENTION not in shown(slack.roots[1])
    tell(sink_for(slack, mention=MENTION), POSTS[0], RESOLVED)
    assert not [root for root in slack.roots[2:] if MENTION in shown(root)]


def test_an_incident_that_becomes_a_page_calls_in_the_thread(slack: SlackService) -> None:
    tell(sink_for(slack, mention=MENTION), replace(FIRING, severity="ticket"), FIRING, FIRING)
    (reply,) = slack.replies
    assert shown(reply).splitlines() == [MENTION, "Severity: *page*"]


@pytest.mark.parametrize("mention", ["@here", "oncall", "<!channel", "<https://evil.example|x>", "<!subteam^S1> hello"])
def test_a_mention_that_slack_would_not_understand_is_refused_with_how_to_write_it(mention: str) -> None:
    with pytest.raises(ValueError, match="as Slack writes them"):
        SlackSinkSettings(name="a", type="slack", token=SecretStr(TOKEN), channel="#a", mention=mention)


# Errors


@pytest.mark.parametrize("error", sorted(slack_errors.FOR_NOW))
def test_what_passes_is_tried_again(slack: SlackService, error: str) -> None:
    slack.script = [Reply(200, json.dumps({"ok": False, "error": error}), {"retry-after": "7"})]
    (outcome,) = tell(sink_for(slack), FIRING)
    assert outcome == Retry(f"Slack: {error}", 7.0, is_limit=error in LIMITS)


LIMITS = {"message_limit_exceeded", "rate_limited", "ratelimited"}

ABOUT_THE_MESSAGE = {"cannot_reply_to_message", "invalid_attachments", "no_text", "too_many_attachments"}
"""Beside what is said once more in short."""


@pytest.mark.parametrize("error", sorted(set(slack_errors.FOR_GOOD) - slack_errors.FORM_REFUSED - ABOUT_THE_MESSAGE))
def test_what_somebody_has_to_change_says_what_to_do(slack: SlackService, error: str) -> None:
    slack.script = [as_json(200, ok=False, error=error)]
    (outcome,) = tell(sink_for(slack), FIRING)
    assert outcome == Misconfigured(f"Slack: {error}: {slack_errors.FOR_GOOD[error]}")


@pytest.mark.parametrize("error", sorted(ABOUT_THE_MESSAGE))
def test_what_is_about_the_message_is_refused_with_what_to_do(slack: SlackService, error: str) -> None:
    slack.script = [as_json(200, ok=False, error=error)]
    (outcome,) = tell(sink_for(slack), FIRING)
    assert outcome == Refused(f"Slack: {error}: {slack_errors.FOR_GOOD[error]}")


def test_not_in_the_channel_says_how_to_get_in(slack: SlackService) -> None:
    slack.script = [as_json(200, ok=False, error="not_in_channel")]
    assert tell(sink_for(slack), FIRING) == [
        Misconfigured("Slack: not_in_channel: invite the app to the channel: /invite @app")
    ]


def test_an_error_that_nobody_knows_is_for_somebody_to_look_at_and_no_dead_letter(slack: SlackService) -> None:
    slack.script = [as_json(200, ok=False, error="new_in_2030")]
    (outcome,) = tell(sink_for(slack), FIRING)
    assert isinstance(outcome, Misconfigured)
    assert "new_in_2030: see https://docs.slack.dev" in outcome.reason


@pytest.mark.parametrize("error", sorted(slack_errors.FORM_REFUSED))
def test_blocks_that_are_refused_leave_once_as_short_text_with_the_links(slack: SlackService, error: str) -> None:
    slack.script = [as_json(200, ok=False, error=error)]
    (outcome,) = tell(sink_for(slack), FIRING)
    assert isinstance(outcome, Delivered)
    assert (outcome.receipt or {})["instead_of_blocks"] == error
    (root,) = slack.roots
    assert root["blocks"] == []
    assert root["text"].startswith("🔴 Firing [page]: agents success")
    assert "<https://runbooks.example/agents/success|Runbook>" in root["text"]


def test_a_short_text_that_is_refused_as_well_is_refused(slack: SlackService) -> None:
    slack.script = [as_json(200, ok=False, error="invalid_blocks"), as_json(200, ok=False, error="msg_too_long")]
    (outcome,) = tell(sink_for(slack), FIRING)
    assert isinstance(outcome, Refused)
    assert len(slack.requests) == 2


def test_what_slack_says_beside_the_error_stands_in_the_reason(slack: SlackService) -> None:
    refused = as_json(200, ok=False, error="missing_scope", needed="chat:write")
    slack.script = [refused]
    (outcome,) = tell(sink_for(slack), FIRING)
    assert isinstance(outcome, Misconfigured)
    assert outcome.reason.startswith("Slack: missing_scope (needed chat:write): add the scope")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_statuses_about_the_moment_are_tried_again_after_the_time_that_is_asked_for(
    slack: SlackService, status: int
) -> None:
    slack.script = [Reply(status, headers={"retry-after": "30"})]
    (outcome,) = tell(sink_for(slack), FIRING)
    assert isinstance(outcome, Retry)
    assert outcome.after == 30.0
    assert outcome.is_limit == (status == 429)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(400, Refused), *((status, Misconfigured) for status in (301, 302, 401, 403, 404, 410, 413))],
)
def test_statuses_that_stay_are_about_the_message_or_for_somebody_to_change(
    slack: SlackService, status: int, verdict: type[Misconfigured | Refused]
) -> None:
    slack.script = [Reply(status, headers={"location": "http://elsewhere.example"})]
    (outcome,) = tell(sink_for(slack), FIRING)
    assert isinstance(outcome, verdict)
    assert f"HTTP {status}" in outcome.reason


@pytest.mark.parametrize("body", ["", "ok", "<html>login</html>", "[]", '{"ok": "true"}', "{}"])
def test_a_200_that_is_no_answer_of_slack_is_no_delivery(slack: SlackService, body: str) -> None:
    slack.script = [Reply(200, body)]
    (outcome,) = tell(sink_for(slack), FIRING)
    assert isinstance(outcome, Retry)
    assert "does not answer as Slack does" in outcome.reason


def test_all_requests_of_a_message_share_one_timeout() -> None:
    class Slow(SlackService):
        def answer(self, request: Any) -> Reply:
            import time

            time.sleep(0.15)
            return super().answer(request)

    with Slow() as slack:
        (begun,) = tell(sink_for(slack), FIRING)
        assert isinstance(begun, Delivered)
        (outcome,) = tell(sink_for(slack, timeout="200ms"), RESOLVED, earlier=begun.receipt)
        assert outcome == Retry("Slack did not answer within 0.2 s")


# Secrets


def test_the_token_is_in_no_error_and_in_no_log_even_when_slack_echoes_it(
    slack: SlackService, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    chosen = settings_for(slack)
    slack.script = [
        Reply(400, f"bad token {TOKEN}", {"x-echo": TOKEN}),
        as_json(200, ok=False, error=f"odd_{TOKEN}"),
        Reply(500, TOKEN),
    ]
    outcomes = tell(SlackSink.of(chosen), FIRING, FIRING, FIRING, FIRING)
    assert not [each for each in outcomes if TOKEN in str(each)]
    assert TOKEN not in _logged(caplog, chosen)


def test_the_address_of_a_webhook_is_in_no_error_and_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with SlackHook() as hook:
        chosen = hook_settings(hook)
        hook.script = [Reply(404, f"no {hook.path} here", {"x-echo": hook.path}), Reply(302), Reply(500, hook.path)]
        outcomes = tell(SlackWebhookSink.of(chosen), FIRING, FIRING, FIRING, FIRING)
    outcomes += tell(SlackWebhookSink.of(chosen), FIRING)  # nobody is there any more
    assert not [each for each in outcomes if "abcdefghijklmnop" in str(each)]
    assert "abcdefghijklmnop" not in _logged(caplog, chosen)
    assert "abcdefghijklmnop" not in repr(chosen)


def _logged(caplog: pytest.LogCaptureFixture, chosen: Any) -> str:
    formatter = JsonFormatter(secrets_of(chosen))
    assert {"httpcore", "httpx"} <= {record.name.partition(".")[0] for record in caplog.records}
    return "\n".join(formatter.format(record) for record in caplog.records)


# The webhook


def test_a_webhook_gets_each_message_by_itself(hook: SlackHook) -> None:
    outcomes = tell(SlackWebhookSink.of(hook_settings(hook, mention=MENTION)), FIRING, FIRING, RESOLVED, *POSTS)
    assert outcomes == [Delivered({"status": 200})] * 6
    assert {problem_with(body) for body in hook.bodies} == {""}
    assert [MENTION in shown(body) for body in hook.bodies] == [True, True, False, False, False, False]
    assert {(body["unfurl_links"], body["unfurl_media"]) for body in hook.bodies} == {(False, False)}


def test_a_webhook_says_what_is_to_be_said_of_a_delivery(hook: SlackHook) -> None:
    tell(SlackWebhookSink.of(hook_settings(hook)), replace(FIRING, remarks=REMARKS), replace(RESOLVED, remarks=REMARKS))
    assert [shown(body).splitlines()[1:3] for body in hook.bodies] == [list(REMARKS)] * 2


@pytest.mark.parametrize(
    ("status", "error", "verdict"),
    [
        (400, "no_text", Refused),
        (400, "too_many_attachments", Refused),
        (400, "user_not_found", Misconfigured),
        (403, "action_prohibited", Misconfigured),
        (403, "invalid_token", Misconfigured),
        (403, "posting_to_general_channel_denied", Misconfigured),
        (404, "channel_not_found", Misconfigured),
        (404, "no_service", Misconfigured),
        (404, "no_team", Misconfigured),
        (410, "channel_is_archived", Misconfigured),
        (500, "rollup_error", Retry),
    ],
)
def test_each_documented_error_of_a_webhook_says_what_to_do(
    hook: SlackHook, status: int, error: str, verdict: type[Retry | Misconfigured | Refused]
) -> None:
    hook.script = [Reply(status, error)]
    (outcome,) = tell(SlackWebhookSink.of(hook_settings(hook)), FIRING)
    assert isinstance(outcome, verdict)
    assert outcome.reason.startswith(f"Slack: HTTP {status} ({error})")
    assert verdict is Retry or outcome.reason.endswith(slack_errors.FOR_GOOD[error])


@pytest.mark.parametrize("error", ["invalid_payload", "invalid_blocks"])
def test_a_webhook_that_refuses_blocks_gets_the_short_text(hook: SlackHook, error: str) -> None:
    hook.script = [Reply(400, error)]
    assert tell(SlackWebhookSink.of(hook_settings(hook)), FIRING) == [Delivered({"status": 200})]
    assert "blocks" not in hook.bodies[1]


@pytest.mark.parametrize("body", ["ok", "fine", '{"ok": true}', '{"success": true}'])
def test_what_takes_the_format_of_slack_may_say_yes_in_other_words(hook: SlackHook, body: str) -> None:
    hook.script = [Reply(200, body)]
    (outcome,) = tell(SlackWebhookSink.of(hook_settings(hook)), FIRING)
    assert isinstance(outcome, Delivered)


@pytest.mark.parametrize("body", ["", "<html>login</html>", '{"ok": false}', '{"success": false}'])
def test_a_200_that_is_not_ok_is_no_delivery(hook: SlackHook, body: str) -> None:
    hook.script = [Reply(200, body)]
    (outcome,) = tell(SlackWebhookSink.of(hook_settings(hook)), FIRING)
    assert isinstance(outcome, Retry)
    assert "instead of 'ok'" in outcome.reason


def test_a_limited_webhook_waits_as_long_as_it_is_asked_to(hook: SlackHook) -> None:
    hook.script = [Reply(429, "", {"retry-after": "11"})]
    (outcome,) = tell(SlackWebhookSink.of(hook_settings(hook)), FIRING)
    assert isinstance(outcome, Retry)
    assert (outcome.after, outcome.is_limit) == (11.0, True)


# Settings


def test_a_preview_is_what_is_posted(slack: SlackService, hook: SlackHook) -> None:
    chat, webhook = sink_for(slack), SlackWebhookSink.of(hook_settings(hook))
    previews = [json.loads(each.preview(FIRING)) for each in (chat, webhook)]
    tell(chat, FIRING)
    tell(webhook, FIRING)
    for preview, posted in zip(previews, (slack.roots[0], hook.bodies[0]), strict=True):
        assert {name: posted[name] for name in preview} == preview


def test_the_settings_make_these_sinks(tmp_path: Path) -> None:
    file = tmp_path / "slo-engine.yaml"
    one = {
        "name": "a",
        "type": "slack",
        "token": TOKEN,
        "channel": "#a",
        "templates": {"firing": {"title": "{{ title }}"}},
    }
    other = {"name": "b", "type": "slack_webhook", "url": "https://hooks.slack.com/services/T/B/x"}
    file.write_text(yaml.safe_dump({"sinks": [one, other]}))
    made = [sink_of(each) for each in load_settings(file).sinks]
    assert [type(each) for each in made] == [SlackSink, SlackWebhookSink]
    assert load_settings(file).sinks[0].updates  # changed in place, so it costs nobody anything


@pytest.mark.parametrize(
    ("sink", "said"),
    [
        ({"channel": "#a"}, "token: is missing"),
        ({"token": TOKEN}, "channel: is missing"),
        ({"token": TOKEN, "channel": "#a", "mention": "@here"}, "mention: must be mentions as Slack writes them"),
        ({"token": TOKEN, "channel": "#a", "templates": {"firing": {"html": "x"}}}, "there is no such part"),
    ],
)
def test_a_mistake_in_the_settings_says_what_to_write(tmp_path: Path, sink: dict[str, Any], said: str) -> None:
    file = tmp_path / "slo-engine.yaml"
    file.write_text(yaml.safe_dump({"sinks": [{"name": "a", "type": "slack", **sink}]}))
    with pytest.raises(SettingsError, match=said):
        load_settings(file)


def test_a_template_of_the_settings_writes_markup_and_its_values_stay_text(slack: SlackService) -> None:
    template = "{{ bold(severity) }} {{ link(alerts[0].summary, alerts[0].labels) }} {{ code(title) }}"
    message = hostile()
    tell(sink_for(slack, templates={"firing": {"text": template}}), message)
    assert "*page* " in shown(slack.roots[0])
    assert {each.partition("|")[0][:4] for each in alive(slack.roots[0])} == {"http"}
