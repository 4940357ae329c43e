"""Logs: text or JSON, and no secret in them whoever writes it."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys

import pytest

from slo_engine.logs import JsonFormatter, TextFormatter


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


def logged(level: str = "info", form: str = "auto", terminal: bool = False) -> list[str]:
    """What a process logs: at each level one message of ours, of a chatty library and of another one."""
    script = f"""
import logging, sys
sys.stderr.isatty = lambda: {terminal}
from slo_engine.logs import configure_logging
configure_logging(["sk-lf-secret"], level={level!r}, form={form!r})
for level in (10, 20, 30, 40):
    for name in ("ours", "httpx", "others"):
        logging.getLogger({{"ours": "slo_engine.room"}}.get(name, name)).log(level, "key %s", "sk-lf-secret")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return done.stderr.splitlines()


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", "room:d room:i httpx:i others:i room:w httpx:w others:w room:e httpx:e others:e"),
        ("info", "room:i others:i room:w httpx:w others:w room:e httpx:e others:e"),
        ("warning", "room:w httpx:w others:w room:e httpx:e others:e"),
        ("error", "room:e httpx:e others:e"),
    ],
)
def test_level_is_that_of_ours_and_libraries_are_quieter(level: str, expected: str) -> None:
    lines = [json.loads(line) for line in logged(level=level)]
    assert " ".join(f"{line['logger'].rpartition('.')[2]}:{line['level'][0]}" for line in lines) == expected


@pytest.mark.parametrize(
    ("form", "terminal", "first"),
    [("auto", False, "{"), ("auto", True, "2"), ("json", True, "{"), ("text", False, "2")],
)
def test_a_terminal_gets_text_and_no_form_shows_a_secret(form: str, terminal: bool, first: str) -> None:
    lines = logged(form=form, terminal=terminal)
    assert lines
    assert all(line[0] == first and "key ***" in line for line in lines)


def test_text_is_a_line_with_its_traceback_below_and_without_secrets() -> None:
    first, *more = TextFormatter(["sk-lf-secret"]).format(record("failed: %s", "sk-lf-secret")).splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC error room: failed: \*\*\*", first)
    assert more[0] == "    Traceback (most recent call last):"
    assert more[-1] == "    ValueError: invalid literal for int() with base 10: '***'"


def test_what_others_say_neither_drives_the_terminal_nor_looks_like_a_line_of_ours() -> None:
    plain = logging.LogRecord("room", logging.INFO, "file.py", 1, "a\x1b[2J\x9b\n2026-11-28 fake", (), None)
    first, second = TextFormatter().format(plain).splitlines()
    assert first.endswith("info room: a\\x1b[2J\\x9b")
    assert second == "    2026-11-28 fake"
