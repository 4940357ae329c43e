"""``slo-engine deliveries``: what could not be delivered, and sending it again. Works on the store, whether the engine
runs or not."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from slo_engine import amounts
from slo_engine.cli import output
from slo_engine.cli.arguments import AsJson, ConfigFile, settings_here
from slo_engine.cli.exits import failures, usage_errors
from slo_engine.errors import SloEngineError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from slo_engine.settings import Settings
    from slo_engine.store.deliveries import Delivery, Resent, Selection, State

app = typer.Typer(
    help="Notifications on their way to sinks, and dead letters.", no_args_is_help=True, pretty_exceptions_enable=False
)


class Shown(StrEnum):
    """States of deliveries."""

    DEAD = "dead"
    WAITING = "waiting"
    SUPERSEDED = "superseded"
    DELIVERED = "delivered"
    ALL = "all"


class Resendable(StrEnum):
    """States of what can be sent again."""

    DEAD = "dead"
    WAITING = "waiting"


Sink = Annotated[str | None, typer.Option("--sink", help="Those of this sink alone.")]
Since = Annotated[
    str | None,
    typer.Option("--since", help="Received at or after this time, RFC 3339, or within this time, such as 2h."),
]
Until = Annotated[str | None, typer.Option("--until", help="Received before this time; written as --since is.")]


@app.command("list")
def list_(
    state: Annotated[Shown, typer.Option("--state", help="How far they have come.")] = Shown.DEAD,
    sink: Sink = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="No more than the newest of them.")] = 100,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, or other deliveries, the newest first."""
    from slo_engine.store import deliveries
    from slo_engine.store.reading import StoreReader

    with usage_errors():
        settings = _settings(config)
        chosen = deliveries.Selection(_states(state), None, sink, _moment(since, "--since"), _moment(until, "--until"))
    with failures():
        reader = StoreReader(settings.store.address)
        found = reader.read(lambda connection: deliveries.find(connection, chosen, limit))
        total = reader.read(lambda connection: deliveries.count(connection, chosen))
    if as_json:
        output.json_document({"total": total, "deliveries": [each.as_json() for each in found]})
        return
    if found:
        _table(found, {each.name for each in settings.sinks})
    left_out = f"; the newest {len(found)} shown, see --limit" if len(found) < total else ""
    output.note(f"{_counted(total, state)}{left_out}")


@app.command()
def show(
    delivery: Annotated[int, typer.Argument(metavar="ID", help="As `deliveries list` has it.")],
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show one delivery: the notification with its evidence, the attempts, and what the sink said."""
    from slo_engine.delivery.sinks.console import ConsoleSink
    from slo_engine.notifications import as_payload, restored
    from slo_engine.store import deliveries, messages
    from slo_engine.store.reading import StoreReader

    with usage_errors():
        settings = _settings(config)
    with failures():
        reader = StoreReader(settings.store.address)
        chosen = deliveries.Selection(ids=[delivery])
        found = reader.read(lambda connection: deliveries.find(connection, chosen, 1))
        if not found:
            raise SloEngineError(
                f"there is no delivery {delivery}: `slo-engine deliveries list --state all` lists them"
            )
        stored = reader.read(lambda connection: messages.by_id(connection, [found[0].message_id]))[found[0].message_id]
    message = restored(stored)
    if as_json:
        output.json_document({**found[0].as_json(), "message": as_payload(message)})
        return
    for name, value in _details(found[0]):
        output.line(f"{name:<12} {output.printable(value)}")
    output.line("")
    for line in ConsoleSink().preview(message).splitlines():
        output.line(output.printable(line))


@app.command()
def resend(
    ids: Annotated[list[int] | None, typer.Argument(metavar="ID...", help="As `deliveries list` has them.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="All dead letters, unless other options say which.")] = False,
    sink: Sink = None,
    since: Since = None,
    until: Until = None,
    state: Annotated[
        Resendable, typer.Option("--state", help="waiting: what a sink has not taken yet, too late for its patience.")
    ] = Resendable.DEAD,
    to: Annotated[str | None, typer.Option("--to", metavar="SINK", help="Send them to this sink instead.")] = None,
    outdated: Annotated[
        bool,
        typer.Option(
            "--outdated", help="Also what a newer message of its incident has overtaken: it may open it again."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Send dead letters again, with their keys and in their order; a running engine does so within seconds."""
    from slo_engine.store import deliveries
    from slo_engine.store.deliveries import Selection
    from slo_engine.store.reading import StoreWriter

    with usage_errors():
        settings = _settings(config)
        known = [each.name for each in settings.sinks]
        if to is not None and to not in known:
            raise SloEngineError(f"--to: there is no sink {to!r}; write one of {', '.join(known) or 'those you add'}")
        if ids and (all_ or sink or since or until):
            raise SloEngineError("give IDs, or say which by --all, --sink, --since and --until, but not both")
        if not (ids or all_ or sink or since or until):
            raise SloEngineError("say which: IDs, or --all, --sink, --since, --until")
        # Of what is named by its ID, all that speaks against it is told.
        states = deliveries.STATES if ids else _states(Shown(state.value))
        times = _moment(since, "--since"), _moment(until, "--until")
        chosen = Selection(states, ids or None, sink, *times)
    with failures():
        store = StoreWriter(settings.store.address)
        number = store.read(lambda connection: deliveries.count(connection, chosen))
    with usage_errors():
        if not yes and number:
            _ask(number, chosen, to)
    with failures():
        done = store.write(
            lambda connection: deliveries.resend(connection, chosen, sinks=known, to=to, outdated=outdated)
        )
    _tell(done, as_json=as_json)
    raise typer.Exit(1 if done.skipped else 0)


def _settings(config: object) -> Settings:
    from pathlib import Path

    from slo_engine.settings import load_settings

    return load_settings(config if isinstance(config, Path) else settings_here())


def _states(shown: Shown) -> Collection[State]:
    from slo_engine.store.deliveries import STATES

    return [each for each in STATES if shown in (Shown.ALL, each)]


def _moment(text: str | None, option: str) -> float | None:
    """A time, or how long ago it was; Unix seconds."""
    from slo_engine.definitions import Duration

    if text is None:
        return None
    try:
        return time.time() - Duration.parse(text).seconds
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise SloEngineError(f"{option}: write a time such as 2026-11-23T17:05:00Z, or 2h for two hours ago") from None


def _ask(number: int, chosen: Selection, to: str | None) -> None:
    what = amounts.count(number, "notification")
    where = f" to {to}" if to else f" to {chosen.sink}" if chosen.sink else ""
    if not sys.stdin.isatty():
        raise SloEngineError(f"{what} would be sent again{where}: add --yes, for there is nobody to ask")
    if not typer.confirm(f"Send {what} again{where}?", err=True):
        output.note("nothing was sent")
        raise typer.Exit(1)


def _tell(done: Resent, *, as_json: bool) -> None:
    if as_json:
        skipped = [{"id": each.id, "reason": each.reason} for each in done.skipped]
        output.json_document({"resent": len(done.ids), "ids": list(done.ids), "skipped": skipped})
        return
    for each in done.skipped:
        output.note(f"{each.id}: not sent again: {output.printable(each.reason)}")
    if any("newer message" in each.reason for each in done.skipped):
        output.note("an old notification may open again what is over; --outdated sends it all the same")
    output.line(f"{len(done.ids):,} sent again" + (f", {len(done.skipped):,} not" if done.skipped else ""))


def _details(found: Delivery) -> Sequence[tuple[str, str]]:
    import json

    rows = (
        ("delivery", str(found.id)),
        ("sink", found.sink + (f", instead of {found.instead_of}" if found.instead_of else "")),
        ("state", found.state),
        ("attempts", str(found.attempts)),
        ("last error", found.last_error),
        ("receipt", None if found.receipt is None else json.dumps(found.receipt, ensure_ascii=False)),
        ("received", amounts.second(found.received_at)),
        ("finished", None if found.finished_at is None else amounts.second(found.finished_at)),
        ("queued", amounts.second(found.queued_at)),
        ("key", found.key),
    )
    return [(name, value) for name, value in rows if value is not None]


def _table(found: Sequence[Delivery], known: Collection[str]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("id", justify="right")
    for heading in ("state", "sink", "kind", "severity", "title", "received"):
        table.add_column(heading)
    table.add_column("attempts", justify="right")
    table.add_column("last error")
    now = time.time()
    for each in found:
        age = amounts.about(timedelta(seconds=now - each.received_at))
        missing = "" if each.sink in known else " (not in the settings)"
        texts = (each.state, each.sink + missing, each.kind, each.severity or "-", each.title)
        last = (f"{age} ago", str(each.attempts), each.last_error or "-")
        table.add_row(str(each.id), *(escape(output.printable(text)) for text in (*texts, *last)))
    output.console().print(table)


def _counted(total: int, state: Shown) -> str:
    if state is Shown.DEAD:
        return amounts.count(total, "dead letter")
    said = "" if state is Shown.ALL else f" {state.value}"
    return f"{amounts.count(total, 'delivery', 'deliveries')}{said}"
