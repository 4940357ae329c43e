"""The stores on which the scenarios run: SQLite; with ``FAULT_STORES="sqlite postgresql"`` (as ``make test-faults``)
both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fault.world import World
from tests.postgres import Postgres

STORES = os.environ.get("FAULT_STORES", "sqlite").split()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as running:
        yield running


@pytest.fixture(scope="session", params=STORES)
def store(request: pytest.FixtureRequest) -> Postgres | None:
    if request.param == "sqlite":
        return None
    found: Postgres = request.getfixturevalue("postgres")
    return found


@pytest.fixture
def world(tmp_path: Path, store: Postgres | None) -> Iterator[World]:
    """A world of its own for one test."""
    with ExitStack() as stack:
        yield World(tmp_path, stack, store)


@pytest.fixture
def sqlite_world(tmp_path: Path) -> Iterator[World]:
    """Where the file is what is broken."""
    with ExitStack() as stack:
        yield World(tmp_path, stack)


@pytest.fixture
def postgres_world(tmp_path: Path, postgres: Postgres) -> Iterator[World]:
    """Where the server is what is broken, or shared."""
    with ExitStack() as stack:
        yield World(tmp_path, stack, postgres)
