"""Writes of one kind share a commit, and nothing else: each has its own end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, text

from slo_engine.store import Database, StoreError, inbox
from slo_engine.store.together import Together


class Writing:
    """What is written, and in which groups."""

    def __init__(self, database: Database, **options: Any) -> None:
        self.groups: list[list[str]] = []
        self.database = database
        self.together: Together[str, str] = Together(database, self._write, **options)

    def _write(self, connection: Connection, items: Sequence[str]) -> Sequence[str]:
        self.groups.append(list(items))
        for each in items:
            inbox.accept(connection, each.encode(), 0.0)
            if each == "bug":
                raise RuntimeError(each)
            if each == "refused":
                connection.execute(text("INSERT INTO inbox (id) VALUES (1)"))
        return [f"did {each}" for each in items]

    @property
    def written(self) -> list[str]:
        return [each.body.decode() for each in self.database.read(lambda found: inbox.next_pending(found, 1000))]


@pytest.fixture
def writing(database: Database) -> Writing:
    return Writing(database)


async def ends(writing: Writing, *items: str) -> list[Any]:
    return await asyncio.gather(*map(writing.together.add, items), return_exceptions=True)


def test_each_gets_its_own_result_and_many_share_a_write(writing: Writing) -> None:
    items = [str(number) for number in range(100)]
    assert asyncio.run(ends(writing, *items)) == [f"did {each}" for each in items]
    assert writing.written == items
    assert len(writing.groups) == 2  # 64 at most


@pytest.mark.parametrize("wrong", ["bug", "refused"])
def test_one_that_is_wrong_takes_down_no_other(writing: Writing, wrong: str) -> None:
    found = asyncio.run(ends(writing, "a", wrong, "b"))
    assert [found[0], found[2]] == ["did a", "did b"]
    assert isinstance(found[1], RuntimeError if wrong == "bug" else StoreError)
    assert writing.written == ["a", "b"]


def test_who_gives_up_while_others_are_written_one_by_one_does_not_want_it_done(writing: Writing) -> None:
    async def give_up() -> None:
        bug, last = (asyncio.create_task(writing.together.add(each)) for each in ("bug", "last"))
        with pytest.raises(RuntimeError):
            await bug
        last.cancel()
        assert await writing.together.add("next") == "did next"

    asyncio.run(give_up())
    assert writing.written in (["next"], ["last", "next"])  # it may be under way already
    assert ["bug"] in writing.groups


def test_outage_is_told_to_all_of_them_and_what_comes_later_is_written(writing: Writing) -> None:
    found = asyncio.run(ends(Writing(writing.database), "a"))
    assert found == ["did a"]
    writing.database.close()
    assert {type(each) for each in asyncio.run(ends(writing, "b", "c"))} == {StoreError}
    assert not writing.groups


def test_who_gives_up_before_it_is_written_does_not_want_it_done(writing: Writing) -> None:
    async def give_up() -> None:
        first, second = (asyncio.create_task(writing.together.add(each)) for each in ("first", "second"))
        await asyncio.sleep(0)
        second.cancel()
        assert await first == "did first"
        # And the next one goes on.
        assert await writing.together.add("third") == "did third"

    asyncio.run(give_up())
    assert writing.written == ["first", "third"]
