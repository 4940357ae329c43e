"""``type: console``: notifications as text on standard output, for a first look or for a log collector.

It never refuses and never waits: what cannot be written (a closed pipe) is tried again.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TextIO

from slo_engine.delivery.forms import PLAIN, Forms, Part
from slo_engine.delivery.sink import Delivered, Outcome, Retry, SinkSettings
from slo_engine.notifications import Message, outline

_PARTS = {"title": Part(PLAIN, "title.txt.j2"), "text": Part(PLAIN, "text.txt.j2")}


class ConsoleSinkSettings(SinkSettings):
    """One item of ``sinks``."""

    PARTS: ClassVar[tuple[str, ...]] = tuple(_PARTS)

    type: Literal["console"]


class ConsoleSink:
    """Writes each message as some lines of text."""

    def __init__(self, forms: Forms | None = None, stream: TextIO | None = None) -> None:
        """``stream``: standard output unless given."""
        self._forms = forms or Forms("console", _PARTS)
        self._stream = stream

    @classmethod
    def of(cls, settings: ConsoleSinkSettings) -> ConsoleSink:
        """The sink that the settings ask for. Raises SloEngineError for a template that fails."""
        return cls(Forms(settings.name, _PARTS, settings.templates))

    async def close(self) -> None:
        """Nothing is kept open."""

    def preview(self, message: Message) -> str:
        """The lines."""
        return "\n".join(_lines(self._forms, message))

    async def send(self, message: Message, earlier: Mapping[str, Any] | None = None) -> Outcome:  # noqa: ARG002
        """Write one message."""
        try:
            # In a thread: a pipe that nobody reads must not hold up the webhook.
            await asyncio.to_thread(self._write, message)
        except (OSError, ValueError) as error:
            return Retry(f"cannot be written: {error}")
        return Delivered()

    def _write(self, message: Message) -> None:
        stream = self._stream or sys.stdout
        encoding = getattr(stream, "encoding", None) or "utf-8"
        text = "".join(f"{line}\n" for line in _lines(self._forms, message))
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()


def _lines(forms: Forms, message: Message) -> list[str]:
    found = outline(message)
    inner = [f"  {line}" for line in forms.write("text", message).splitlines()]
    links = [f"  {each.title}: {each.url}" for each in (*found.links, *found.traces)]
    return [*forms.write("title", message).splitlines(), *inner, *links]
