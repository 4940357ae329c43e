"""A write-ahead log that is damaged is told from one that a power failure has torn."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from slo_engine.store import wal
from slo_engine.store.backends import StoreError
from slo_engine.store.database import Database

COMMITS = 20


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """A database whose log holds commits that a process which is gone has made."""
    living = tmp_path / "living.db"
    with sqlite3.connect(living) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE kept (text TEXT)")
        for number in range(COMMITS):
            connection.execute("INSERT INTO kept VALUES (?)", (f"{number} " + "x" * 3000,))
            connection.commit()
        copy = tmp_path / "crashed.db"
        for ending in ("", "-wal"):
            shutil.copy(f"{living}{ending}", f"{copy}{ending}")
    connection.close()
    return copy


def log_of(store: Path) -> Path:
    return store.with_name(f"{store.name}-wal")


def rows_in(store: Path) -> int:
    connection = sqlite3.connect(store)
    (number,) = connection.execute("SELECT count(*) FROM kept").fetchone()
    connection.close()
    return int(number)


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)


def test_whole_log_has_no_damage(crashed: Path) -> None:
    assert wal.damage_of(log_of(crashed)) is None
    assert rows_in(crashed) == COMMITS


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.8])
def test_flipped_bit_is_found_wherever_it_is_and_what_is_in_front_of_it_is_what_sqlite_reads(
    crashed: Path, share: float
) -> None:
    log = log_of(crashed)
    flip(log, int(log.stat().st_size * share))
    found = wal.damage_of(log)
    assert found is not None
    assert found.commits > 1
    os.truncate(log, found.readable_bytes)
    assert wal.damage_of(log) is None
    kept = rows_in(crashed)
    # The commit with the damage may be counted or not: its own frames may be those that cannot be read.
    assert COMMITS - kept - 1 <= found.commits <= COMMITS - kept + 1


def test_flipped_bit_in_the_salt_of_a_frame_is_found(crashed: Path) -> None:
    log = log_of(crashed)
    frame = 24 + 4096
    flip(log, 32 + 5 * frame + 9)
    assert wal.damage_of(log) is not None


@pytest.mark.parametrize("cut", [1, 1000, 4096, 4120, 6000])
def test_log_that_ends_in_half_a_commit_is_what_a_power_failure_leaves(crashed: Path, cut: int) -> None:
    log = log_of(crashed)
    os.truncate(log, log.stat().st_size - cut)
    assert wal.damage_of(log) is None


def test_last_commit_that_was_never_synced_is_no_damage(crashed: Path) -> None:
    log = log_of(crashed)
    flip(log, log.stat().st_size - 100)
    assert wal.damage_of(log) is None
    assert rows_in(crashed) == COMMITS - 1


@pytest.mark.parametrize("content", [b"", b"\0" * 10, b"\0" * 5000, b"no log at all" * 1000])
def test_what_is_no_log_is_left_to_sqlite(tmp_path: Path, content: bytes) -> None:
    log = tmp_path / "x.db-wal"
    assert wal.damage_of(log) is None
    log.write_bytes(content)
    assert wal.damage_of(log) is None


def test_store_with_a_damaged_log_is_refused_every_time_and_says_how_to_go_on(crashed: Path) -> None:
    log = log_of(crashed)
    flip(log, log.stat().st_size // 3)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"crashed\.db-wal is damaged: \d+ commits .* truncate -s \d+"):
            Database(f"sqlite:///{crashed}")
    assert log.exists()
