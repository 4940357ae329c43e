"""``slo-engine report``: a month in one file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from slo_engine.cli import output
from slo_engine.cli.arguments import STANDARD, ConfigFile, SloPaths, settings_here
from slo_engine.cli.exits import failures, usage_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from slo_engine.prometheus import Prometheus, Result
    from slo_engine.reports import Month, Report
    from slo_engine.store.reading import StoreReader


class Format(StrEnum):
    """The forms of a report."""

    HTML = "html"
    MARKDOWN = "markdown"
    JSON = "json"


_ENDINGS = {Format.HTML: "html", Format.MARKDOWN: "md", Format.JSON: "json"}

MonthOption = Annotated[
    str | None, typer.Option("--month", metavar="YYYY-MM", help="The calendar month; the last whole one if none.")
]
Zone = Annotated[str, typer.Option("--zone", help="The time zone whose month it is, such as Europe/Berlin.")]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="The folder to write to; - for standard output (one format).")
]
Formats = Annotated[
    list[Format] | None, typer.Option("--format", "-f", help="Repeatable; HTML and Markdown if none is named.")
]
AsJsonHere = Annotated[bool, typer.Option("--json", help="Short for --format json --out -.")]


def report(
    paths: SloPaths = None,
    month: MonthOption = None,
    zone: Zone = "UTC",
    out: Out = None,
    formats: Formats = None,
    config: ConfigFile = None,
    as_json: AsJsonHere = False,
) -> None:
    """Report a month: objectives met, budgets, incidents with their causes, spend, what the figures do not see.

    Of a running month it reports what has gone by.
    """
    from slo_engine.definitions import load
    from slo_engine.prometheus import Prometheus
    from slo_engine.reports import make
    from slo_engine.settings import load_settings, paths_in

    wanted = list(dict.fromkeys(formats or ([Format.JSON] if as_json else [Format.HTML, Format.MARKDOWN])))
    target = out or (STANDARD if as_json else Path())
    if as_json and wanted != [Format.JSON]:
        raise typer.BadParameter("give --json or --format")
    if target == STANDARD and len(wanted) > 1:
        raise typer.BadParameter("standard output takes one format: name it with --format", param_hint="--out")
    now = datetime.now(UTC)
    with usage_errors():
        chosen = _month(month, zone, now)
        chosen.until(now)
        settings = load_settings(config or settings_here(), sections=("slos", "prometheus", "store"))
    with failures():
        slos = load(paths_in(settings, paths))
        store = _store(settings.store.address)
        with closing(Prometheus(settings.prometheus.connection())) as source, _told() as tell:
            made = make(slos, _Counted(source, tell), store.read if store else None, chosen, now)
        _write(made, wanted, target)


def _month(written: str | None, zone: str, now: datetime) -> Month:
    from zoneinfo import ZoneInfo, available_timezones

    from slo_engine.reports import Month

    if zone not in available_timezones():
        raise typer.BadParameter("is not a time zone: write one such as UTC or Europe/Berlin", param_hint="--zone")
    there = ZoneInfo(zone)
    return Month.last_whole(now, there) if written is None else Month.parse(written, there)


def _store(url: str) -> StoreReader | None:
    """None where there is none that can be read: the figures come from Prometheus, so the report is made without it."""
    from slo_engine.store import StoreError
    from slo_engine.store.reading import StoreReader

    try:
        return StoreReader(url)
    except StoreError as error:
        output.note(f"without incidents: {error}")
        return None


def _write(made: Report, formats: list[Format], target: Path) -> None:
    for each in formats:
        text = _rendered(made, each)
        if target == STANDARD:
            output.line(text.removesuffix("\n"))
            continue
        file = target / f"slo-report-{made.month.name}.{_ENDINGS[each]}"
        _save(file, text)
        output.line(str(file))
    output.note(made.verdict)


def _rendered(made: Report, form: Format) -> str:
    import json

    from slo_engine.reports import as_html, as_markdown

    if form is Format.JSON:
        return json.dumps(made.as_json(), indent=2, allow_nan=False) + "\n"
    return as_html(made) if form is Format.HTML else as_markdown(made)


def _save(file: Path, text: str) -> None:
    from slo_engine.errors import SloEngineError

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SloEngineError(f"{file} cannot be written: {error.strerror}") from None


class _Counted:
    """Prometheus, and how often it was asked."""

    def __init__(self, source: Prometheus, tell: Callable[[int], None]) -> None:
        self._source, self._tell, self._asked = source, tell, 0

    def query(self, expr: str, at: datetime) -> Result:
        """As Prometheus answers it."""
        self._asked += 1
        self._tell(self._asked)
        return self._source.query(expr, at)


@contextmanager
def _told() -> Iterator[Callable[[int], None]]:
    """How far it is, on a terminal; nothing for scripts."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("reading the month") as status:
        yield lambda asked: status.update(f"reading the month: query {asked}")
