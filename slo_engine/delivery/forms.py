"""The forms of a message: templates in a sandbox, over an outline that is escaped before they see it.

A template is data of whoever runs the engine, what it shows is data of anybody: a label may hold a Slack mention, HTML
or Jinja. So every text of the outline is escaped for the sink's markup first, and what a template does with it
afterwards cannot bring it to life. A template writes markup with ``bold``, ``code`` and ``link``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BeforeValidator

from slo_engine import telemetry
from slo_engine.errors import SloEngineError
from slo_engine.notifications import Message, Outline, outline
from slo_engine.notifications.message import Kind
from slo_engine.notifications.samples import sample

logger = logging.getLogger(__name__)

LONGEST_RESULT = 1_000_000
"""Characters that a template may write; every sink takes far less."""

_FOLDER = Path(__file__).parent / "templates"


def _read(value: Any) -> Any:
    """``{file: path}`` -> what stands in it."""
    if not isinstance(value, Mapping):
        return value
    if set(value) != {"file"}:
        raise ValueError("write the template itself, or {file: its path}")
    try:
        return Path(str(value["file"])).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ValueError(f"the template {value['file']} cannot be read: {why}") from None


TemplateText = Annotated[str, BeforeValidator(_read, json_schema_input_type=str | dict[Literal["file"], str])]
"""A template: its text, or ``{file: path}``."""


@dataclass(frozen=True)
class Markup:
    """How a sink writes text. ``bold``, ``code`` and ``link`` get what is escaped already."""

    escape: Callable[[str], str]
    bold: Callable[[str], str] = lambda text: text
    code: Callable[[str], str] = lambda text: text
    link: Callable[[str, str], str] = lambda title, url: f"{title}: {url}"
    """Title and address."""
    bullet: str = "- "


PLAIN = Markup(escape=lambda text: text)
"""No markup at all."""


@dataclass(frozen=True)
class Part:
    """One text of a message in the form of a sink: ``title``, ``text``, ``html``."""

    markup: Markup
    default: str
    """The file in ``delivery/templates``."""


class Forms:
    """The texts of one sink."""

    def __init__(
        self, sink: str, parts: Mapping[str, Part], overrides: Mapping[Kind, Mapping[str, str]] | None = None
    ) -> None:
        """``overrides``: kind -> part -> template. Each is tried on a sample message; raises SloEngineError that says
        what is wrong with it."""
        self._sink = sink
        self._parts = parts
        self._overrides: dict[tuple[str, str], Template] = {}
        for kind, texts in (overrides or {}).items():
            for part, text in texts.items():
                self._overrides[kind, part] = self._checked(kind, part, text)

    def write(self, part: str, message: Message) -> str:
        """One part of a message. A template that fails on it is left for the sink's own, so that it leaves."""
        found = outline(message)
        values = _values(found, self._parts[part].markup)
        override = self._overrides.get((message.kind, part))
        if override is not None:
            try:
                return _written(override, values)
            except Exception as error:  # noqa: BLE001 - a template may raise anything, and the message leaves
                telemetry.TEMPLATE_FAILURES.labels(self._sink).inc()
                logger.error(  # noqa: TRY400 - a mistake in the settings, no bug
                    "sink %s: the template %s.%s failed, the sink's own is used instead: %s",
                    self._sink,
                    message.kind,
                    part,
                    error,
                )
        return _written(_default(self._parts[part].default), values, may_be_cut=True)

    def _checked(self, kind: Kind, part: str, text: str) -> Template:
        where = f"sinks: {self._sink}: templates.{kind}.{part}"
        try:
            template = _ENVIRONMENT.from_string(text)
            _written(template, _values(outline(sample(kind)), self._parts[part].markup))
        except Exception as error:  # noqa: BLE001 - as above
            line = getattr(error, "lineno", None)
            raise SloEngineError(f"{where}{f', line {line}' if line else ''}: {error}") from None
        return template


def _written(template: Template, values: Mapping[str, Any], *, may_be_cut: bool = False) -> str:
    pieces, size = [], 0
    for piece in template.generate(values):
        size += len(piece)
        if size > LONGEST_RESULT and may_be_cut:
            break  # a message that is too long still leaves
        if size > LONGEST_RESULT:
            raise SloEngineError(f"it writes more than {LONGEST_RESULT:,} characters")
        pieces.append(piece)
    return "".join(pieces).strip()


@cache
def _default(name: str) -> Template:
    return _ENVIRONMENT.from_string((_FOLDER / name).read_text(encoding="utf-8"))


def _values(found: Outline, markup: Markup) -> dict[str, Any]:
    escaped: dict[str, Any] = _escaped(found, markup.escape)
    return {
        **escaped,
        "answer": markup.escape(found.answer),
        "traces": _escaped(found.traces, markup.escape),
        "bold": markup.bold,
        "code": markup.code,
        "link": markup.link,
        "bullet": markup.bullet,
    }


def _escaped(value: Any, escape: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return escape(value)
    if is_dataclass(value):
        return {field.name: _escaped(getattr(value, field.name), escape) for field in fields(value)}
    if isinstance(value, Sequence):
        return tuple(_escaped(each, escape) for each in value)
    return value


_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined,
    autoescape=False,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=False,
)
