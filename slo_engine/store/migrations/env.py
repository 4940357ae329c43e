"""Run by Alembic on the connection that :mod:`slo_engine.store.database` hands it."""

from alembic import context

from slo_engine.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
