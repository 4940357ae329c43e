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
        text = await asyncio.to_thread(as_text, message)
        stream = self._stream or sys.stdout
        try:
            stream.write(text)
            stream.flush()
        except (OSError, ValueError) as error:
            return Retry(f"cannot be written: {error}")
        return Delivered()
