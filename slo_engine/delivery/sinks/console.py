"""``type: console``: notifications as text on standard output, for a first look or for a log collector.

It never refuses and never waits: what cannot be written (a closed pipe) is tried again.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Literal, TextIO

from slo_engine.delivery.sink import Delivered, Outcome, Retry, SinkSettings
from slo_engine.notifications import Message, as_text


class ConsoleSinkSettings(SinkSettings):
    """One item of ``sinks``."""

    type: Literal["console"]


class ConsoleSink:
    """Writes each message as some lines of text."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """``stream``: standard output unless given."""
        self._stream = stream

    @classmethod
    def of(cls, settings: ConsoleSinkSettings) -> ConsoleSink:  # noqa: ARG003 - it takes a name alone
        """The sink that the settings ask for."""
        return cls()

    async def close(self) -> None:
        """Nothing is kept open."""

    async def send(self, message: Message) -> Outcome:
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
        stream.write(as_text(message).encode(encoding, "replace").decode(encoding))
        stream.flush()
