"""Alembic's entry: run within the connection that ``cloudmgr.db.migrate`` hands in."""

from alembic import context

from cloudmgr.db.types import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by copying it
    user_module_prefix="cloudmgr.db.types.",
)
with context.begin_transaction():
    context.run_migrations()
