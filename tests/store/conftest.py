"""The stores that tests run on: a file of SQLite, and a database of a PostgreSQL server that all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from slo_engine.store import Database
from tests.postgres import Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Without fsync: nobody pulls the plug here."""
    with Postgres(fsync=False) as server:
        yield server
        server.kill()  # nobody needs what it would write before it ends


@pytest.fixture(scope="session")
def free_databases() -> list[str]:
    """Empty ones, by their addresses: to make one takes longer than most tests."""
    return []


@pytest.fixture
def empty_database(postgres: Postgres, free_databases: list[str]) -> Iterator[str]:
    """The address of a database of PostgreSQL without tables."""
    url = free_databases.pop() if free_databases else postgres.new_database()
    yield url
    with postgres.connect(url) as connection:
        connection.execute("SET lock_timeout = '10s'")
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    free_databases.append(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store that is not there yet; each test that asks for it runs on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    address: str = request.getfixturevalue("empty_database")
    return address


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database(url)
    yield opened
    opened.close()
