"""Brings a database to the newest schema, one process at a time."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from classifier_svc.store.failures import StoreOpenError

VERSION_TABLE: Final = "lastlayer_schema"

_LOCK: Final = 0x6C61_7374_6C61_7972  # any number, so that it is ours: "lastlayr"


def migrate(connection: Connection, location: str) -> None:
    """Run the migrations that the database lacks, within the connection's transaction; none of them, or all.

    Other processes that open the database wait: SQLite's transaction has the write lock, and PostgreSQL's takes one.
    Raises StoreOpenError where the schema is newer than we know.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        raise StoreOpenError(
            f"The store {location} has the schema {current}, of a newer Lastlayer than this, which knows schemas up to "
            f"{scripts.get_current_head()}; use the newer one."
        )
    if current != scripts.get_current_head():
        command.upgrade(config, "head")
