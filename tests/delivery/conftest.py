"""Tests of what is logged see all of it, whatever an earlier test has set."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _loud_clients() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("httpx", "httpcore", "asyncio")]
    before = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.NOTSET)
    yield
    for each, level in zip(loggers, before, strict=True):
        each.setLevel(level)
