"""Who runs, who owns what, and how often the stories of a topic were written."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# On PostgreSQL sorted and compared by code point, as SQLite does
STRING = sa.String().with_variant(sa.String(collation="C"), "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", STRING, nullable=False),
        sa.Column("owner", STRING, nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "story_turns",
        sa.Column("topic_id", STRING, nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("topic_id", name=op.f("pk_story_turns")),
    )
    op.create_table(
        "workers",
        sa.Column("id", STRING, nullable=False),
        sa.Column("roles", STRING, nullable=False),
        sa.Column("host", STRING, nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", STRING, nullable=False),
        sa.Column("listen", STRING, nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("seen", sa.Float(), nullable=False),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
