"""Logs: one JSON object a line on standard error, without the secrets of the settings and without what the scrubber
knows, whoever writes it."""

from __future__ import annotations

import json
import logging
import logging.config
from collections.abc import Sequence
from datetime import UTC, datetime

from slo_engine.scrub.outgoing import outgoing_text

_SHORTEST_SECRET = 6
"""Blotting out a shorter one would blot out half of every line."""


def configure_logging(secrets: Sequence[str] = ()) -> None:
    """Set up the logs of the process; none of ``secrets`` appears in them."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JsonFormatter, "secrets": secrets}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"level": "INFO", "handlers": ["stderr"]},
            # One line a job run, a request, a query: noise on a good day.
            "loggers": {
                "apscheduler": {"level": "WARNING"},
                "httpx": {"level": "WARNING"},
                "alembic": {"level": "WARNING"},
                "uvicorn.access": {"level": "WARNING"},
            },
        }
    )


class JsonFormatter(logging.Formatter):
    """``{"time": ..., "level": ..., "logger": ..., "message": ...}``"""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__()
        self._secrets = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback goes into its ``exception``."""
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        for name in ("message", "exception"):
            for secret in self._secrets if name in entry else ():
                entry[name] = entry[name].replace(secret, "***")
            if name in entry:
                entry[name] = outgoing_text(entry[name])
        return json.dumps(entry, ensure_ascii=False)
