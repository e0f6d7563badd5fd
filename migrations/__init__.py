"""Alembic migrations, one per change of the tables; run by app.db.migrate."""
