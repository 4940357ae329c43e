"""Logs: JSON, and no secret in them whoever writes it."""

from __future__ import annotations

import json
import logging

from slo_engine.logs import JsonFormatter


def record(message: str, *arguments: object) -> logging.LogRecord:
    try:
        int("sk-lf-secret")
    except ValueError as error:
        trace = (type(error), error, error.__traceback__)
    return logging.LogRecord("room", logging.ERROR, "file.py", 1, message, arguments, trace)


def test_a_line_is_an_object_with_its_traceback() -> None:
    line = json.loads(JsonFormatter().format(record("failed: %s", "why\nover two lines")))
    assert (line["level"], line["logger"], line["message"]) == ("error", "room", "failed: why\nover two lines")
    assert "ValueError: invalid literal" in line["exception"]
    assert line["time"].endswith("+00:00")


def test_secrets_are_blotted_out_of_messages_arguments_and_tracebacks() -> None:
    line = JsonFormatter(["sk-lf-secret"]).format(record("key %s of http://x:sk-lf-secret@host", "sk-lf-secret"))
    assert "sk-lf-secret" not in line
    assert "***" in line


def test_what_the_scrubber_knows_is_masked_and_addresses_of_machines_stay() -> None:
    line = JsonFormatter().format(record("sent gsk_a1B2c3D4e5F6g7H8i9J0 of jane@example.com to 10.1.2.3:9093"))
    assert "sent [SECRET] of [EMAIL] to 10.1.2.3:9093" in line
