"""What docs/operations.md says of backup and restore, done on a store into which an engine writes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from slo_engine.store import Database, inbox
from slo_engine.store.checking import check
from tests.docs.page import page
from tests.postgres import Postgres, _program

COMMANDS = "\n".join(page("operations.md").blocks("sh"))


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def by_backup(file: Path, copy: Path) -> None:
    assert 'sqlite3 slo-engine.db ".backup backup.db"' in COMMANDS
    run("sqlite3", str(file), f".backup {copy}")


def by_vacuum(file: Path, copy: Path) -> None:
    assert "sqlite3 slo-engine.db \"VACUUM INTO 'backup.db'\"" in COMMANDS
    run("sqlite3", str(file), f"VACUUM INTO '{copy}'")


@pytest.mark.parametrize("back_up", [by_backup, by_vacuum])
def test_backup_of_sqlite_beside_the_engine_holds_all_that_was_acknowledged(
    tmp_path: Path, back_up: Callable[[Path, Path], None]
) -> None:
    engine = Database(f"sqlite:///{tmp_path / 'slo-engine.db'}")
    for number in range(50):
        engine.write(partial(inbox.accept, body=b"%d" % number, now=1.0))
    back_up(tmp_path / "slo-engine.db", tmp_path / "backup.db")
    engine.write(lambda connection: inbox.accept(connection, b"later", 1.0))
    engine.close()
    url = f"sqlite:///{tmp_path / 'backup.db'}"
    assert check(url).problems == ()
    restored = Database(url)
    assert restored.read(lambda connection: inbox.count(connection, "pending")) == 50
    assert restored.write(lambda connection: inbox.accept(connection, b"", 1.0)) == 51
    restored.close()


def test_dump_of_postgresql_beside_the_engine_is_restored_into_another_database(
    postgres: Postgres, empty_database: str, tmp_path: Path
) -> None:
    assert "pg_dump --format=custom --file=backup.dump" in COMMANDS
    assert "pg_restore --exit-on-error --no-owner --dbname=" in COMMANDS
    engine = Database(empty_database)
    engine.write(lambda connection: inbox.accept(connection, b"\x00body", 1.0))
    dump = tmp_path / "backup.dump"
    run(_program("pg_dump"), "--format=custom", f"--file={dump}", empty_database)
    engine.close()
    other = postgres.new_database()
    run(_program("pg_restore"), "--exit-on-error", "--no-owner", f"--dbname={other}", str(dump))
    assert check(other).problems == ()
    restored = Database(other)
    assert restored.write(lambda connection: inbox.accept(connection, b"", 1.0)) == 2
    restored.close()
