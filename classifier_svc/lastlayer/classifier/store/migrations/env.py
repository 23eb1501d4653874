"""How Alembic runs the migrations: on the connection, and in the transaction, of `store.database`."""

from alembic import context

from lastlayer.classifier.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
