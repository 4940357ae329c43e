"""A message as Slack's Block Kit has it, within its limits. No I/O.

Texts are ``mrkdwn`` that is escaped and ``verbatim``: Slack makes no mention, channel or link out of what stands in a
label. Links are text and not buttons: a button posts to the app, and Slack shows a warning beside it where nothing
answers (https://github.com/slackapi/node-slack-sdk/issues/869).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slo_engine.delivery.cutting import cut, in_pieces
from slo_engine.delivery.forms import PLAIN, Markup, Part
from slo_engine.notifications.message import Link
from slo_engine.notifications.outline import Outline

LONGEST_HEADER = 150
"""https://docs.slack.dev/reference/block-kit/blocks/header-block"""

LONGEST_SECTION = 3000
"""https://docs.slack.dev/reference/block-kit/blocks/section-block"""

LONGEST_OF_ALL = 12_000
"""Characters of all blocks: Slack refuses about 13,200 (https://github.com/slackapi/bolt-js/issues/2509)."""

LONGEST_TEXT = 3000
"""Of a message without blocks: Slack advises 4,000 (https://docs.slack.dev/reference/methods/chat.postMessage)."""

_LONGEST_TITLE = 600
_LONGEST_NOTE = 1000
_LONGEST_FACTS = 1000
_LONGEST_LINKS = 7000
"""What is left of ``LONGEST_OF_ALL`` is for the body."""

MARKS: Mapping[str, str] = {"bad": "🔴", "warn": "🟠", "good": "🟢", "info": "🔵"}
"""By tone. A colored bar exists for attachments alone, which Slack calls legacy."""


def escaped(text: str) -> str:
    """``text`` as Slack shows it. https://docs.slack.dev/messaging/formatting-message-text#escaping"""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def bold(text: str) -> str:
    """What is escaped, in bold; as it is where an asterisk or a line break in it would end that."""
    return f"*{text}*" if text.strip() == text != "" and not {"*", "\n"} & set(text) else text


def code(text: str) -> str:
    """What is escaped, as code."""
    return f"`{' '.join(text.replace('`', chr(39)).split())}`" if text.strip() else text


def link(title: str, url: str) -> str:
    """What is escaped, as a link; the title alone where ``url`` is none: ``<!channel|x>`` is a mention."""
    if not url.startswith(("http://", "https://")):
        return title
    return f"<{url.replace('|', '%7C')}|{' '.join(title.split()) or 'link'}>"


MARKUP = Markup(escape=escaped, bold=bold, code=code, link=link, bullet="• ")

PARTS: Mapping[str, Part] = {"title": Part(PLAIN, "title.txt.j2"), "text": Part(MARKUP, "slack.txt.j2")}


@dataclass(frozen=True)
class Form:
    """What a message looks like in Slack."""

    text: str
    """What a push notification shows."""
    blocks: tuple[Mapping[str, Any], ...]
    plain: str
    """The short form without blocks, for when Slack refuses those."""


def form(title: str, body: str, found: Outline, *, mention: str = "", note: str = "") -> Form:
    """A message of its own. ``title`` is text, ``body`` and ``note`` are ``mrkdwn``; ``mention`` is written as it
    stands. Links are kept; the body gives way."""
    headline = " ".join(f"{MARKS.get(found.tone, '')} {title}".split()) or found.headline
    links = _links((*found.links, *found.traces))
    parts = [
        escaped(title) if len(headline) > LONGEST_HEADER else "",
        mention,
        cut(note, _LONGEST_NOTE),
    ]
    parts[0] = cut(parts[0], _LONGEST_TITLE)
    facts = _facts(found.facts)
    used = LONGEST_HEADER + sum(len(each) for each in (*parts, *links, facts))
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": cut(headline, LONGEST_HEADER), "emoji": False}},
        *_sections(part for part in parts if part),
        *_body(body, LONGEST_OF_ALL - used),
        *_sections(links),
    ]
    if facts:
        blocks.append({"type": "context", "elements": [_mrkdwn(facts)]})
    text = _joined((mention, escaped(headline), escaped(found.answer)), LONGEST_TEXT)
    return Form(text, tuple(blocks), _plain(text, links))


def reply(text: str, links: Sequence[Link] = ()) -> Form:
    """An answer in the thread. ``text`` is ``mrkdwn``."""
    shown = _links(links)
    used = sum(len(each) for each in shown)
    short = cut(text, LONGEST_TEXT)
    return Form(short, (*_body(text, LONGEST_OF_ALL - used), *_sections(shown)), _plain(short, shown))


def _body(text: str, longest: int) -> list[Mapping[str, Any]]:
    pieces, left = [], longest
    for piece in in_pieces(text, LONGEST_SECTION, max(1, longest // LONGEST_SECTION)):
        kept = cut(piece, min(left, LONGEST_SECTION))
        left -= len(kept)
        pieces.append(kept)
    return _sections(pieces)


def _sections(texts: Iterable[str]) -> list[Mapping[str, Any]]:
    return [{"type": "section", "text": _mrkdwn(text)} for text in texts]


def _mrkdwn(text: str) -> Mapping[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _links(links: Sequence[Link]) -> list[str]:
    """All links, in texts that fit into a section each; those that Slack cannot take are named."""
    lines: list[str] = []
    without: list[str] = []
    for each in links:
        written = link(escaped(each.title), escaped(each.url))
        if len(written) > LONGEST_SECTION or sum(map(len, lines)) + len(written) > _LONGEST_LINKS:
            without.append(escaped(each.title))
        elif lines and len(lines[-1]) + len(written) + 3 <= LONGEST_SECTION:
            lines[-1] += f" · {written}"
        else:
            lines.append(written)
    if without:
        names = ", ".join(dict.fromkeys(without[:5]))
        lines.append(cut(f"Left out, too long for Slack: {names}", 500))
    return lines


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    line = ""
    for name, value in facts:
        written = f"{escaped(name)}: {escaped(value)}"
        longer = f"{line} · {written}" if line else written
        if len(longer) > _LONGEST_FACTS:
            return f"{line} · …" if line else cut(written, _LONGEST_FACTS)
        line = longer
    return line


def _plain(text: str, links: Sequence[str]) -> str:
    """The text and as many of the links as there is room for."""
    shown, size = [], 0
    for each in links:
        size += len(each) + 1
        if size <= LONGEST_TEXT - 500:
            shown.append(each)
    room = LONGEST_TEXT - sum(len(each) + 1 for each in shown)
    return "\n".join((cut(text, room), *shown))


def _joined(texts: Iterable[str], longest: int) -> str:
    return cut("\n".join(text for text in texts if text), longest)
