"""Labels are signed: a decision need not be on a prediction.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let a review be of a label that somebody drew; of one label there is one."""
    with op.batch_alter_table("reviews") as table:
        table.alter_column("prediction_id", existing_type=sa.Integer(), nullable=True)
    drawn = sa.text("prediction_id IS NULL")
    op.create_index(
        "one_decision_a_label",
        "reviews",
        ["version_id"],
        unique=True,
        sqlite_where=drawn,
        postgresql_where=drawn,
    )
