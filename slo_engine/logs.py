"""Logs on standard error, without the secrets of the settings and without what the scrubber knows, whoever writes it:
text where a terminal shows them, elsewhere one JSON object a line."""

from __future__ import annotations

import json
import logging
import logging.config
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from slo_engine.scrub.outgoing import outgoing_text

Level = Literal["debug", "info", "warning", "error"]
Form = Literal["auto", "text", "json"]

_SHORTEST_SECRET = 6
"""Blotting out a shorter one would blot out half of every line."""

_CHATTY = ("apscheduler", "httpx", "alembic", "uvicorn.access")
"""One line a job run, a request, a query: noise on a good day, and what ``debug`` is for."""


def configure_logging(secrets: Sequence[str] = (), *, level: Level = "info", form: Form = "auto") -> None:
    """Set up the logs of the process; none of ``secrets`` appears in them. ``form``: ``auto`` is text on a terminal and
    JSON elsewhere."""
    if form == "auto":
        form = "text" if sys.stderr.isatty() else "json"
    # What libraries say below info is for their authors, and holds headers.
    least = "INFO" if level == "debug" else level.upper()
    chatty = "INFO" if level == "debug" else "WARNING"
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": {"()": {"text": TextFormatter, "json": JsonFormatter}[form], "secrets": secrets}},
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": "line", "level": level.upper()},
            },
            "root": {"level": least, "handlers": ["stderr"]},
            "loggers": {name: {"level": chatty} for name in _CHATTY} | {"slo_engine": {"level": level.upper()}},
        }
    )


class _Redacting(logging.Formatter):
    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__()
        self._secrets = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]

    def redacted(self, record: logging.LogRecord) -> tuple[str, str | None]:
        """The message, and the traceback if there is one."""
        exception = self.formatException(record.exc_info) if record.exc_info else None
        return self._redacted(record.getMessage()), None if exception is None else self._redacted(exception)

    def _redacted(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return outgoing_text(text)


class JsonFormatter(_Redacting):
    """``{"time": ..., "level": ..., "logger": ..., "message": ...}``"""

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback goes into its ``exception``."""
        message, exception = self.redacted(record)
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
        }
        if exception is not None:
            entry["exception"] = exception
        return json.dumps(entry, ensure_ascii=False)


class TextFormatter(_Redacting):
    """``2026-11-28 14:05:00.123 UTC warning slo_engine.engine: ...``"""

    def format(self, record: logging.LogRecord) -> str:
        """The message, and below it the traceback. What follows the first line is indented, so that no text of somebody
        else begins as a line of the log does; what a terminal would obey is written out."""
        time = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        message, exception = self.redacted(record)
        first, *more = [*message.splitlines(), *(exception or "").splitlines()] or [""]
        lines = [f"{time} UTC {record.levelname.lower()} {record.name}: {first}", *(f"    {each}" for each in more)]
        return "\n".join(map(_written_out, lines))


def _written_out(line: str) -> str:
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)
