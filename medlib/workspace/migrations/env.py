"""How Alembic finds the database: by the connection that a :class:`Database` hands over."""

from alembic import context

from medlib.workspace.schema import Row

if hasattr(context, "config"):  # Alembic runs this file; whoever only imports it does nothing
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=Row.metadata,
        render_as_batch=True,  # SQLite alters a table by making it anew
    )
    with context.begin_transaction():
        context.run_migrations()
