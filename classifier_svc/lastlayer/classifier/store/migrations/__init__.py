"""The store's migrations, run by Alembic whenever the store is opened."""
