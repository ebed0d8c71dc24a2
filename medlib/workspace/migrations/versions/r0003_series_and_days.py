"""Series and the days between studies are known.

Scans that are there already are looked at when the workspace is opened: their files are not the
database's.

Revision ID: 0003
"""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_DAYS = 40_000  # from which a patient's origin is drawn


def upgrade() -> None:
    """Make room for them, and draw an origin for each patient."""
    op.add_column("patients", sa.Column("origin", sa.Integer(), nullable=True))
    op.add_column("studies", sa.Column("day", sa.Integer(), nullable=True))
    op.add_column("studies", sa.Column("second", sa.Integer(), nullable=True))
    op.add_column("scans", sa.Column("series", sa.JSON(), nullable=True))
    op.create_table(
        "study_dates",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("made", sa.String(length=8), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"]),
        sa.PrimaryKeyConstraint("study_id"),
    )
    op.create_table(
        "descriptions",
        sa.Column("scan_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(length=330), nullable=False),
        sa.ForeignKeyConstraint(["scan_id"], ["scans.id"]),
        sa.PrimaryKeyConstraint("scan_id"),
    )
    patients = sa.table("patients", sa.column("id", sa.Integer), sa.column("origin", sa.Integer))
    scans = sa.table("scans", sa.column("source", sa.String), sa.column("series", sa.JSON))
    there = op.get_bind()
    for number in list(there.scalars(sa.select(patients.c.id))):
        drawn = patients.update().where(patients.c.id == number)
        there.execute(drawn.values(origin=secrets.randbelow(_DAYS)))
    # Files that are no DICOM say nothing of it.
    there.execute(scans.update().where(scans.c.source != "dicom").values(series={}))
