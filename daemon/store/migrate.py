"""Alembic, behind one door: which steps are known, and running them on a connection."""

from typing import TYPE_CHECKING

from sqlalchemy import Connection

from daemon.store.migrations import Schema

if TYPE_CHECKING:
    from alembic.config import Config


def migrate(connection: Connection, schema: Schema) -> None:
    """Every missing step in the caller's transaction: all of them or none."""
    from alembic import command

    config = _alembic(schema)
    config.attributes["connection"] = connection
    command.upgrade(config, schema.head)


def revisions(schema: Schema) -> frozenset[str]:
    from alembic.script import ScriptDirectory

    return frozenset(step.revision for step in ScriptDirectory.from_config(_alembic(schema)).walk_revisions())


def _alembic(schema: Schema) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(schema.steps).replace("%", "%%"))
    return config
