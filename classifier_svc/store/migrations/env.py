"""What Alembic runs: the migrations, on the connection and in the transaction that `migrating` gives."""

from alembic import context

from classifier_svc.store.migrating import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
