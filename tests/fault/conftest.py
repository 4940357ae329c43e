"""``make test`` runs the scenarios on SQLite, without those that are marked as long; with ``FAULTS=all``, as ``make
test-faults`` has it, they run on PostgreSQL, too, and all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fault.world import World
from tests.postgres import Postgres

IS_ALL = os.environ.get("FAULTS") == "all"
STORES = ["sqlite", "postgresql"] if IS_ALL else ["sqlite"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not IS_ALL:
        long = [each for each in items if each.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [each for each in items if each not in long]


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
