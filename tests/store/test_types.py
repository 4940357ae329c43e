"""Expressions that are the same in both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.sql.cache_key import HasCacheKey

from slo_engine.store.tables import outbox
from slo_engine.store.types import database_now, later_of


@pytest.mark.parametrize(
    "statement",
    [
        select(database_now()),
        select(outbox.c.id).where(outbox.c.next_at <= database_now()),
        select(later_of(outbox.c.next_at, outbox.c.lease_until) - database_now()),
    ],
    ids=["database_now", "comparison", "later_of"],
)
def test_statements_are_compiled_once_and_not_each_time(statement: HasCacheKey) -> None:
    assert statement._generate_cache_key() is not None
