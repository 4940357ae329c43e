"""The server that other tests rely on does what they take it for."""

from __future__ import annotations

import psycopg
import pytest

from tests.postgres import Postgres

pytestmark = [pytest.mark.stack]


def test_committed_rows_survive_a_kill_and_uncommitted_ones_do_not() -> None:
    with Postgres() as server:
        url = server.new_database()
        with server.connect(url) as connection:
            connection.execute("CREATE TABLE kept (number integer)")
            connection.execute("INSERT INTO kept VALUES (1)")
        open_one = psycopg.connect(url)
        open_one.execute("INSERT INTO kept VALUES (2)")
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            open_one.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError):
            server.connect(url)
        server.start()
        with server.connect(url) as connection:
            assert connection.execute("SELECT number FROM kept").fetchall() == [(1,)]
            assert connection.execute("SHOW fsync").fetchall() == [("on",)]


def test_paused_server_answers_nobody_until_it_is_resumed() -> None:
    with Postgres(fsync=False) as server:
        server.pause()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.url(), connect_timeout=2)
        server.resume()
        with server.connect() as connection:
            assert connection.execute("SHOW fsync").fetchall() == [("off",)]
