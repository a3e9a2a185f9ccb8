"""Runs Alembic inside a transaction that the caller holds: all migrations happen or none does."""

from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from sekisho.storage.errors import StorageError
from sekisho.storage.migrations import HEAD
from sekisho.storage.tables import metadata


def script_directory() -> ScriptDirectory:
    """The migrations of this package."""
    return ScriptDirectory(str(Path(__file__).parent))


def require_known(version: str) -> None:
    """Raise StorageError where the schema's revision is not one of ours."""
    # Compared whole: Alembic's own look-up takes any beginning of a revision for it.
    if version not in {script.revision for script in script_directory().walk_revisions()}:
        raise StorageError(
            f"the database has the schema {version or 'without a version'}, which this version of Sekisho (schema {HEAD}) does not know; "
            "nothing was changed: start the newer version again, or restore a backup of this one"
        )


def upgrade(connection: Connection, target: str = HEAD) -> None:
    """Bring the schema to `target`; the caller commits."""
    script = script_directory()

    def steps(revision: Any, _: Any) -> Any:
        return script._upgrade_revs(target, revision)  # Alembic's own env.py template reaches it through the command line only.

    with EnvironmentContext(Config(), script, fn=steps, destination_rev=target) as environment:
        environment.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
        environment.run_migrations()
