"""``slo-engine notify``: what a notification looks like, and where it goes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from slo_engine.cli import output
from slo_engine.cli.arguments import STANDARD, AsJson, ConfigFile, settings_here
from slo_engine.cli.exits import failures, usage_errors
from slo_engine.errors import SloEngineError

if TYPE_CHECKING:
    from slo_engine.delivery import Outcome
    from slo_engine.delivery.sink import SinkSettings
    from slo_engine.notifications import Message
    from slo_engine.notifications.routes import Way
    from slo_engine.settings import Settings

app = typer.Typer(
    help="What notifications look like, and where they go.", no_args_is_help=True, pretty_exceptions_enable=False
)

LONGEST_PAYLOAD = 64 * 1024 * 1024
"""Bytes of a payload that is routed; no Alertmanager posts as much."""


class SampleKind(StrEnum):
    """Kinds of messages."""

    FIRING = "firing"
    RESOLVED = "resolved"
    UPDATE = "update"
    STATUS = "status"
    DIGEST = "digest"
    REPORT = "report"


@app.command()
def preview(
    kind: Annotated[SampleKind, typer.Option("--kind", help="What the message tells.")] = SampleKind.FIRING,
    sink: Annotated[
        list[str] | None, typer.Option("--sink", help="A sink of the settings; repeatable. Else all.")
    ] = None,
    send: Annotated[
        bool, typer.Option("--send", help="Send it there, instead of printing what would be sent.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Print a sample message in the form of each sink, or send it there, marked as a test. Names and figures are made
    up."""
    import asyncio

    from slo_engine.notifications.samples import as_a_test, sample
    from slo_engine.settings import load_settings

    with usage_errors():
        settings = load_settings(config or settings_here())
        chosen = _chosen(settings, sink)
    message = as_a_test(sample(kind.value)) if send else sample(kind.value)
    failed = False
    for each in chosen:
        with failures():
            text, is_fine = asyncio.run(_sent(each, message) if send else _printed(each, message))
        output.note(f"{each.name}:")
        output.line(text)
        failed = failed or not is_fine
    raise typer.Exit(1 if failed else 0)


@app.command()
def routes(
    file: Annotated[Path, typer.Argument(help="What Alertmanager posts, as JSON; - is standard input.")],
    at: Annotated[str | None, typer.Option("--at", help="The time at which it comes, RFC 3339; else now.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show which sinks would get a notification, and by which route."""
    from slo_engine.alerts.payload import parse
    from slo_engine.definitions import examine
    from slo_engine.notifications import Message
    from slo_engine.notifications.routes import addressees
    from slo_engine.settings import load_settings, routes_of

    with usage_errors():
        settings = load_settings(config or settings_here())
        when = _time(at)
        body = _read(file)
    with failures():
        group = parse(body)
    slos = examine([path for path in settings.slos if path.exists()]).slos
    kind = "resolved" if group.status == "resolved" else "firing"
    message = Message("", group.thread, kind, group.severity, group.title, payload=group.raw)
    found = routes_of(settings)
    ways = [found.way(about, when) for about in addressees(message, slos)]
    sinks = found.sinks(addressees(message, slos), when)
    if as_json:
        output.json_document({"at": when.isoformat(), "sinks": list(sinks), "alerts": [_as_json(way) for way in ways]})
    else:
        _table(ways, has_routes=bool(settings.routes))
        output.line(f"goes to: {', '.join(sinks) or 'nobody'}")


def _chosen(settings: Settings, names: Sequence[str] | None) -> list[SinkSettings]:
    if not settings.sinks:
        raise SloEngineError("no sink is configured: add one to `sinks`; docs/sinks.md lists them")
    known = {each.name: each for each in settings.sinks}
    for name in names or ():
        if name not in known:
            raise SloEngineError(f"--sink: there is no sink {name!r}; write one of {', '.join(known)}")
    return [known[name] for name in names] if names else list(known.values())


async def _printed(settings: SinkSettings, message: Message) -> tuple[str, bool]:
    from slo_engine.delivery import sink_of

    sink = sink_of(settings)
    try:
        return sink.preview(message), True
    finally:
        await sink.close()


async def _sent(settings: SinkSettings, message: Message) -> tuple[str, bool]:
    from slo_engine.delivery import sink_of

    sink = sink_of(settings)
    try:
        return _said(await sink.send(message))
    finally:
        await sink.close()


def _said(outcome: Outcome) -> tuple[str, bool]:
    from slo_engine.delivery import Delivered

    if isinstance(outcome, Delivered):
        return "delivered", True
    return f"not delivered: {outcome.reason}", False


def _time(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise SloEngineError("--at: write a time such as 2026-11-23T17:05:00Z") from None


def _read(file: Path) -> bytes:
    try:
        body = sys.stdin.buffer.read(LONGEST_PAYLOAD + 1) if file == STANDARD else file.read_bytes()
    except OSError as error:
        raise SloEngineError(f"{file} cannot be read: {error.strerror}") from None
    return body


def _as_json(way: Way) -> dict[str, Any]:
    about = way.about
    return {
        "severity": about.severity,
        "service": about.service,
        "slo": about.slo,
        "owner": about.owner,
        "labels": dict(about.labels),
        "routes": list(way.routes),
        "sinks": list(way.sinks),
    }


def _table(ways: Sequence[Way], *, has_routes: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("kind", "severity", "service", "slo", "owner", "route", "sinks"):
        table.add_column(heading)
    for way in ways:
        about = way.about
        numbers = ", ".join(str(number) for number in way.routes)
        by = numbers or ("none matches: all sinks" if has_routes else "no routes: all sinks")
        row = (about.kind, about.severity, about.service, about.slo, about.owner)
        table.add_row(*(escape(text) or "-" for text in row), by, ", ".join(way.sinks) or "nobody")
    output.console().print(table)
