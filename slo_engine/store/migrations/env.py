"""Run by Alembic on the connection that :mod:`slo_engine.store.schema` hands it."""

from typing import Any

from alembic import context

from slo_engine.store.tables import metadata
from slo_engine.store.types import Words


def _types_differ(_: Any, __: Any, ___: Any, found: Any, wanted: Any) -> bool | None:
    """Whether a column has another type than the code says; None: Alembic's own comparison. It takes text without a
    limit for VARCHAR."""
    return getattr(found, "length", None) != wanted.limit if isinstance(wanted, Words) else None


context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, compare_type=_types_differ
)
with context.begin_transaction():
    context.run_migrations()
