"""The version of the tables: what it is, and how it comes to be that of this slo-engine."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from slo_engine.store.backends import Backend, StoreError, reason_of

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(backend: Backend) -> None:
    """Bring the tables to the version of this slo-engine, whoever else starts at the same time. Raises StoreError, and
    leaves all as it was, when that cannot be done."""
    # Alembic and its templates cost 0.1 s: only who opens a store pays.
    from alembic import command

    try:
        with backend.engine.execution_options(writes=True).begin() as connection:
            backend.lock_for_migration(connection)
            refuse_newer(version_of(connection), backend.name)
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        raise StoreError(f"the store {backend.name} cannot be opened: {reason_of(error)}") from error


def version_of(connection: Connection) -> str | None:
    """The version of the tables in a database; None: it has none of ours."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def refuse_newer(version: str | None, name: str) -> None:
    """Raises StoreError for a version that this slo-engine does not know."""
    if version is not None and version not in known_versions():
        raise StoreError(
            f"the store {name} has version {version}, and this slo-engine knows versions up to {newest_version()}: a "
            "newer slo-engine wrote it; run that one, or restore the backup from before the upgrade"
        )


def newest_version() -> str:
    """That of the tables of this slo-engine."""
    return known_versions()[0]


@cache
def known_versions() -> tuple[str, ...]:
    """All that there have been, the newest first."""
    from alembic.script import ScriptDirectory

    return tuple(each.revision for each in ScriptDirectory(str(MIGRATIONS)).walk_revisions())


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
