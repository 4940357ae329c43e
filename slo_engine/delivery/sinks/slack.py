"""``type: slack``: one message an incident through Slack's Web API, changed in place, with what is new in its thread.

The message is changed first, which may be repeated, and answered then: whoever dies in between repeats the first and
loses nothing. Posts are messages of their own. ``slack_webhook`` is the simple form.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, SecretStr

from slo_engine.connect import Verdict, said_in, verdict_on
from slo_engine.connection_settings import ConnectionSettings, HttpUrl
from slo_engine.delivery.forms import Forms
from slo_engine.delivery.http import SINK_TIMEOUT, TOO_MANY, HttpSender, SinkTimeout, object_in, wait_of
from slo_engine.delivery.sink import Delivered, Misconfigured, Outcome, Refused, Retry, SinkSettings
from slo_engine.delivery.sinks import slack_blocks as blocks
from slo_engine.delivery.sinks import slack_errors as errors
from slo_engine.delivery.sinks import slack_told as told
from slo_engine.delivery.sinks.slack_blocks import PARTS, Form
from slo_engine.notifications import Message, outline

if TYPE_CHECKING:
    import httpx

    from slo_engine.connect import Connection
    from slo_engine.notifications import Outline

_MENTION = re.compile(r"(?:<(?:@[UW][A-Z0-9]+|!subteam\^S[A-Z0-9]+|!here|!channel|!everyone)> ?)+")


def _is_a_mention(text: str) -> str:
    if text and not _MENTION.fullmatch(text):
        raise ValueError(
            "must be mentions as Slack writes them, such as <!subteam^S0123ABCD> for a user group, <@U0123ABCD> or "
            "<!here>; the ID stands in the profile"
        )
    return text.strip()


Mention = Annotated[str, AfterValidator(_is_a_mention)]


class SlackSinkSettings(SinkSettings, ConnectionSettings):
    """One item of ``sinks``."""

    PARTS: ClassVar[tuple[str, ...]] = tuple(PARTS)

    type: Literal["slack"]
    url: HttpUrl = "https://slack.com/api"
    token: SecretStr
    channel: Annotated[str, Field(min_length=1, max_length=200)]
    """The ID of the channel, which survives a new name, or #name."""
    mention: Mention = ""
    """Written as it stands into the message of a page that fires, such as <!subteam^S...>."""
    updates: bool = True
    timeout: SinkTimeout = SINK_TIMEOUT


@dataclass(frozen=True)
class _Problem:
    """An answer with ``ok: false``."""

    error: str
    outcome: Retry | Misconfigured | Refused


class SlackSink:
    """Posts, changes and answers messages in one channel."""

    def __init__(
        self,
        connection: Connection,
        channel: str,
        *,
        mention: str = "",
        forms: Forms | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """``mention``: as Slack writes it. Raises SloEngineError for certificates that cannot be used."""
        self._sender = HttpSender(connection, "Slack", transport, credentials="token")
        self._channel = channel
        self._mention = mention
        self._forms = forms or Forms("slack", PARTS)

    @classmethod
    def of(cls, settings: SlackSinkSettings) -> SlackSink:
        """The sink that the settings ask for. Raises SloEngineError for a template that fails."""
        forms = Forms(settings.name, PARTS, settings.templates)
        return cls(settings.connection(), settings.channel, mention=settings.mention, forms=forms)

    async def close(self) -> None:
        """Close the connections; the sink is not used afterwards."""
        await self._sender.close()

    def preview(self, message: Message) -> str:
        """The message that is posted."""
        form = own_form(self._forms, message, mention=self._mention)
        body = {"channel": self._channel, "text": form.text, "blocks": form.blocks}
        return json.dumps(body, indent=2, ensure_ascii=False)

    async def send(self, message: Message, earlier: Mapping[str, Any] | None = None) -> Outcome:
        """Send one message. Slack says in its answer what went wrong: see ``slack_errors``."""
        try:
            async with asyncio.timeout(self._sender.connection.timeout):  # of all requests, which a lease outlives
                return await self._send(message, earlier)
        except TimeoutError:
            return Retry(f"Slack did not answer within {self._sender.connection.timeout:g} s")

    async def _send(self, message: Message, earlier: Mapping[str, Any] | None) -> Outcome:
        if message.post is not None:
            form = await asyncio.to_thread(own_form, self._forms, message)
            return _receipt(await self._say("chat.postMessage", form, channel=self._channel), {})
        root = told.read(earlier or message.goes_on_from, self._channel)
        news = await asyncio.to_thread(_news, self._forms, message, root, self._mention)
        memory = {**news.told.as_receipt(), "to": self._channel}
        if root is None:
            return await self._begin(news, memory)
        answer = await self._say("chat.update", news.root, channel=root.channel, ts=root.ts)
        if isinstance(answer, _Problem) and answer.error in errors.ROOT_GONE:
            return await self._begin(news, memory)
        changed = _receipt(answer, memory, ts=root.ts, channel=root.channel)
        if news.reply is None or not isinstance(changed, Delivered):
            return changed
        where = {"channel": root.channel, "thread_ts": root.ts}
        answer = await self._say("chat.postMessage", news.reply, **where, reply_broadcast=news.is_for_all)
        if isinstance(answer, _Problem) and answer.error in errors.ROOT_GONE:
            return await self._begin(news, memory)
        if isinstance(answer, _Problem) and answer.error in errors.NO_THREADS:
            return await self._begin(news, memory) if news.is_for_all else changed
        return changed if isinstance(answer, Mapping) else _receipt(answer, {})

    async def _begin(self, news: _News, memory: Mapping[str, Any]) -> Outcome:
        return _receipt(await self._say("chat.postMessage", news.root, channel=self._channel), memory)

    async def _say(self, method: str, form: Form, **where: str | bool) -> Mapping[str, Any] | Retry | _Problem:
        """Say it in blocks; where Slack refuses those, once in short."""
        quiet = {"parse": "none", "link_names": False}
        if method == "chat.postMessage":
            quiet |= {"unfurl_links": False, "unfurl_media": False}
        answer = await self._call(method, {**where, **quiet, "text": form.text, "blocks": [*form.blocks]})
        if isinstance(answer, _Problem) and answer.error in errors.FORM_REFUSED:
            short = await self._call(method, {**where, **quiet, "text": form.plain, "blocks": []})
            return {**short, "instead_of_blocks": answer.error} if isinstance(short, Mapping) else short
        return answer

    async def _call(self, method: str, body: Mapping[str, Any]) -> Mapping[str, Any] | Retry | _Problem:
        headers = {"content-type": "application/json; charset=utf-8"}  # else Slack warns of a missing charset
        answer = await self._sender.ask(f"/{method}", body, headers)
        if isinstance(answer, Retry):
            return answer
        found = object_in(answer.body)
        error = found.get("error")
        if found.get("ok") is not True and isinstance(error, str) and error:
            said = self._sender.connection.masked(" ".join([error, *_details(found)])[:300])
            if error not in errors.FOR_GOOD and verdict_on(answer.status) is Verdict.RETRY:
                return Retry(f"HTTP {answer.status} ({said})", wait_of(answer), is_limit=answer.status == TOO_MANY)
            return _Problem(error, errors.outcome_of(error, said, wait_of(answer)))
        verdict = self._sender.outcome(answer)
        if isinstance(verdict, Retry):
            return verdict
        if isinstance(verdict, Misconfigured | Refused):
            return _Problem("", verdict)
        if found.get("ok") is not True:
            said = said_in(answer.body, self._sender.connection)
            return Retry(f"{self._sender.connection.address} does not answer as Slack does: {said or 'no JSON'}")
        return found


@dataclass(frozen=True)
class _News:
    """What one message of an incident comes to."""

    root: Form
    reply: Form | None
    told: told.Told
    is_for_all: bool = False
    """Whether the channel is shown the reply, too: of a changed message nobody is told, and of a reply those alone who
    follow the thread."""


def own_form(forms: Forms, message: Message, *, mention: str = "", note: str = "") -> Form:
    """A message that stands for itself. ``mention`` is written where a page fires."""
    title, body, found = forms.write("title", message), forms.write("text", message), outline(message)
    is_page = message.kind == "firing" and found.tone == "bad"
    return blocks.form(title, body, found, mention=mention if is_page else "", note=note)


def _news(forms: Forms, message: Message, root: told.Root | None, mention: str) -> _News:
    shown = replace(message, kind="firing") if message.kind == "update" else message  # the incident goes on
    found = outline(shown)
    before = None if root is None else root.told
    now = told.of(shown, found, before)
    note = "" if found.answer or not now.answer else f"Reason given before: {blocks.escaped(now.answer)}"
    form = own_form(forms, shown, mention=mention, note=note)
    if before is None:
        return _News(form, None, now)
    is_again = message.kind == "firing" and message.goes_on_from is not None
    return _News(form, _reply(forms, message, found, before, now, mention), now, is_again)


def _reply(
    forms: Forms, message: Message, found: Outline, before: told.Told, now: told.Told, mention: str
) -> Form | None:
    if message.kind == "resolved":
        return blocks.reply(f"{blocks.MARKS['good']} {blocks.bold('Resolved')}: {blocks.escaped(found.title)}")
    if message.kind == "update":
        if now.evidence == before.evidence:
            return None
        return blocks.reply(f"{blocks.bold('Evidence')}\n{forms.write('text', message)}", found.traces)
    if message.goes_on_from is None:
        lines = told.changes(message, found, before, now)
    else:
        # All of it fires again, which is news of no alert; the reason may be another.
        known = replace(before, firing=now.firing, tone=now.tone)
        again = f"{blocks.MARKS[found.tone]} {blocks.bold('Firing again')}: {blocks.escaped(found.title)}"
        lines = [again, *told.changes(message, found, known, now)]
    if mention and found.tone == "bad" != before.tone:
        lines.insert(0, mention)
    return blocks.reply("\n".join(lines), found.traces if now.answer != before.answer else ()) if lines else None


def _receipt(
    answer: Mapping[str, Any] | Retry | _Problem, memory: Mapping[str, Any], *, ts: str = "", channel: str = ""
) -> Outcome:
    if isinstance(answer, _Problem):
        return answer.outcome
    if isinstance(answer, Retry):
        return answer
    without = {"instead_of_blocks": answer["instead_of_blocks"]} if "instead_of_blocks" in answer else {}
    where = {"channel": channel or answer.get("channel"), "ts": ts or answer.get("ts")}
    return Delivered({**memory, **where, **without})


def _details(answer: Mapping[str, Any]) -> list[str]:
    """What Slack says beside the code: which scope is missing, which block is wrong."""
    metadata = answer.get("response_metadata")
    messages = metadata.get("messages") if isinstance(metadata, Mapping) else None
    needed = [f"needed {answer['needed']}"] if isinstance(answer.get("needed"), str) else []
    said = [*needed, *map(str, messages[:3] if isinstance(messages, list) else [])]
    return [f"({'; '.join(said)})"] if said else []
