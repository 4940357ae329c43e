"""``slo-engine store``."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from slo_engine.store import Database, inbox
from tests.cli.test_commands import run


@pytest.fixture
def url(tmp_path: Path) -> str:
    address = f"sqlite:///{tmp_path / 'store.db'}"
    database = Database(address)
    database.write(lambda connection: inbox.accept(connection, b"body", 1.0))
    database.close()
    return address


def test_store_is_copied_and_both_are_found_whole(tmp_path: Path, url: str) -> None:
    copy = f"sqlite:///{tmp_path / 'copy.db'}"
    done = run("store", "copy", url, copy)
    assert done.returncode == 0, done.stderr
    assert "inbox                     1 row, sha256 " in done.stdout
    assert "both stores hold the same" in done.stderr
    checked = run("store", "check", copy, "--json")
    found = json.loads(checked.stdout)
    assert (checked.returncode, found["rows"]["inbox"], found["problems"]) == (0, 1, [])
    again = run("store", "copy", url, copy, "--json")
    assert (again.returncode, again.stdout) == (1, "")
    assert "is not empty" in again.stderr


def test_damage_is_exit_code_1_and_a_wrong_call_2(tmp_path: Path, url: str) -> None:
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("DROP TABLE outbox")
    damaged = run("store", "check", SLO_ENGINE_STORE__URL=url, cwd=tmp_path)
    assert damaged.returncode == 1
    assert "no such table: outbox" in damaged.stderr
    assert run("store", "check", f"sqlite:///{tmp_path / 'nowhere.db'}").returncode == 1
    assert run("store", "copy", url, "mysql://somewhere/db").returncode == 2
