"""Column types and expressions that are the same in SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Dialect, Double, Integer, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import String, TypeDecorator, TypeEngine

# SQLite numbers rows by itself only where the type is exactly INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")


class Words(TypeDecorator[str]):
    """Text of whatever origin, with a limit or without. What PostgreSQL cannot keep (the character NUL, half a
    surrogate pair) is replaced in both, and what is too long is cut: a notification is not refused for its title."""

    impl = Text
    cache_ok = True

    def __init__(self, limit: int | None = None) -> None:
        super().__init__()
        self.limit = limit

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """A VARCHAR where there is a limit."""
        return dialect.type_descriptor(Text() if self.limit is None else String(self.limit))

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        """What is kept of a text."""
        if value is None:
            return None
        if "\0" in value:
            value = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        if not value.isascii():
            value = value.encode(errors="replace").decode()
        return value if self.limit is None else value[: self.limit]


class database_now(ColumnElement[float]):  # noqa: N801 - it is written as SQL's functions are
    """The database's own clock, in seconds since the epoch: engines that share a store need not agree on the time."""

    type = Double()
    inherit_cache = True
    # All of them are alike. Without it, no statement that has one is cached: each would be compiled anew, for 5 ms.
    _traverse_internals: Any = []  # noqa: RUF012


@compiles(database_now, "sqlite")
def _now_of_sqlite(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(database_now, "postgresql")
def _now_of_postgresql(*_: Any, **__: Any) -> str:
    # Not that of the transaction's beginning, which may have waited for a lock.
    return "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"


class later_of(GenericFunction[float]):  # noqa: N801
    """The later of two times."""

    type = Double()
    inherit_cache = True


@compiles(later_of, "sqlite")
def _later_in_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    return f"max({compiler.process(element.clauses, **kw)})"


@compiles(later_of, "postgresql")
def _later_in_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    return f"greatest({compiler.process(element.clauses, **kw)})"
