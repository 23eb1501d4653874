"""How Alembic runs the migrations: on the connection, and in the transaction, of `classifier_svc.database`."""

from alembic import context

from classifier_svc.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
