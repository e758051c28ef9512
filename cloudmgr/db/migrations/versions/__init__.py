"""The history of the tables, in Alembic's form; ``cloudmgr.db.migrate`` applies it."""
