"""Slack's Web API and an incoming webhook, as far as a sink meets them: blocks are held to Slack's own models and to
its limits, and what is sent is refused where Slack refuses it."""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block, HeaderBlock, SectionBlock

from tests.delivery.fakes.service import Reply, Request, Service, as_json

TOKEN = "xoxb-1234567890-abcdefghij"
CHANNEL = "#slo-alerts"
CHANNEL_ID = "C0123ABCD"

MOST_BLOCKS = 50
LONGEST_OF_ALL = 13_200
LONGEST_TEXT = 40_000


class SlackService(Service):
    """``messages``: what stands in the channel, by ts."""

    def __init__(self, script: Sequence[Reply] = ()) -> None:
        super().__init__(script)
        self.messages: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self.refuses_blocks = False

    def answer(self, request: Request) -> Reply:
        if not request.headers["content-type"].startswith("application/json"):
            return _error("invalid_post_type")
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _error("invalid_auth")
        body, method = request.body, request.path.removeprefix("/api/")
        error = problem_with(body, refuses_blocks=self.refuses_blocks)
        if error:
            return _error(error)
        self.calls.append((method, body))
        return self._post(body) if method == "chat.postMessage" else self._update(body)

    def _post(self, body: Mapping[str, Any]) -> Reply:
        if body["channel"] not in (CHANNEL, CHANNEL_ID):
            return _error("channel_not_found")
        if "thread_ts" in body and body["thread_ts"] not in self.messages:
            return _error("thread_not_found")
        ts = f"1700000000.{len(self.messages):06}"
        self.messages[ts] = dict(body)
        return as_json(200, ok=True, channel=CHANNEL_ID, ts=ts)

    def _update(self, body: Mapping[str, Any]) -> Reply:
        if body["channel"] != CHANNEL_ID:
            return _error("channel_not_found")
        if body["ts"] not in self.messages:
            return _error("message_not_found")
        self.messages[body["ts"]] |= body
        return as_json(200, ok=True, channel=CHANNEL_ID, ts=body["ts"])

    @property
    def roots(self) -> list[dict[str, Any]]:
        return [message for message in self.messages.values() if "thread_ts" not in message]

    @property
    def replies(self) -> list[dict[str, Any]]:
        return [message for message in self.messages.values() if "thread_ts" in message]


class SlackHook(Service):
    """An incoming webhook."""

    path = "/services/T0123/B0123/abcdefghijklmnop"

    def answer(self, request: Request) -> Reply:
        if request.path != self.path:
            return Reply(404, "no_service")
        error = problem_with(request.body)
        return Reply(400, error) if error else Reply(200, "ok")


def _error(name: str) -> Reply:
    return as_json(200, ok=False, error=name)


def problem_with(body: Mapping[str, Any], *, refuses_blocks: bool = False) -> str:
    """The error that Slack gives for a message; empty: none."""
    blocks = body.get("blocks") or []
    if not body.get("text", "").strip():
        return "no_text"
    if len(body["text"]) > LONGEST_TEXT:
        return "msg_too_long"
    if len(blocks) > MOST_BLOCKS or (blocks and refuses_blocks):
        return "invalid_blocks"
    try:
        _validate(blocks)
    except (SlackObjectFormationError, AssertionError):
        return "invalid_blocks"
    return "msg_blocks_too_long" if sum(map(len, texts_of(blocks))) > LONGEST_OF_ALL else ""


def _validate(blocks: Sequence[Mapping[str, Any]]) -> None:
    unknown = _Warnings()
    loggers = [logging.getLogger(), logging.getLogger("slack_sdk")]
    for logger in loggers:
        logger.addHandler(unknown)
    try:
        for block in Block.parse_all(copy.deepcopy([dict(each) for each in blocks])):
            assert block is not None
            block.validate_json()
            text = getattr(block, "text", None)
            if isinstance(block, SectionBlock | HeaderBlock) and text is not None:
                assert text.text.strip(), "a text must have a letter"
    finally:
        for logger in loggers:
            logger.removeHandler(unknown)
    assert not unknown.said, unknown.said


class _Warnings(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def texts_of(blocks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every text in the blocks."""
    return [each["text"] for each in text_objects(blocks)]


def text_objects(blocks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found = []
    for block in blocks:
        found += [block["text"]] if "text" in block else []
        found += [*block.get("elements", ()), *block.get("fields", ())]
    return found


def alive(body: Mapping[str, Any]) -> list[str]:
    """What Slack would make more than text of, in a message: mentions, links, channels; and words that it looks for
    itself where it is not told to leave that."""
    shown = text_objects(body.get("blocks") or [])
    marked = [each["text"] for each in shown if each["type"] == "mrkdwn"]
    looked_through = [each["text"] for each in shown if each["type"] == "mrkdwn" and not each.get("verbatim")]
    found = [match for text in (*marked, body["text"]) for match in re.findall(r"<([^>]*)", text)]
    return found + [match for text in looked_through for match in re.findall(r"https?://\S+|@\w+|#\w+", text)]


def links_of(body: Mapping[str, Any]) -> set[str]:
    """The addresses that can be followed."""
    return {
        each.partition("|")[0].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").replace("%7C", "|")
        for each in alive(body)
        if each.startswith("http")
    }
