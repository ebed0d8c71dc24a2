"""How the tables of a workspace came to be what they are, step by step (Alembic)."""
