"""Words of articles, vectors of a second model, calibrations, examples, verdicts and proposals."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# On PostgreSQL sorted and compared by code point, as SQLite does
STRING = sa.String().with_variant(sa.String(collation="C"), "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("scores", sa.Column("gate", STRING, nullable=False, server_default=""))
    op.create_table(
        "article_words",
        sa.Column("article_id", STRING, nullable=False),
        sa.Column("words", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("article_id", name=op.f("pk_article_words")),
    )
    op.create_table(
        "next_vectors",
        sa.Column("article_id", STRING, nullable=False),
        sa.Column("model", STRING, nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("vectors", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("article_id", "model", name=op.f("pk_next_vectors")),
    )
    op.create_table(
        "models",
        sa.Column("id", STRING, nullable=False),
        sa.Column("name", STRING, nullable=False),
        sa.Column("state", STRING, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("report", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
    )
    op.create_table(
        "calibrations",
        sa.Column("topic_id", STRING, nullable=False),
        sa.Column("model", STRING, nullable=False),
        sa.Column("topic_version", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("calibration", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("topic_id", "model", name=op.f("pk_calibrations")),
    )
    op.create_table(
        "line_moves",
        sa.Column("topic_id", STRING, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("topic_version", sa.Integer(), nullable=False),
        sa.Column("model", STRING, nullable=False),
        sa.Column("line", sa.Float(), nullable=False),
        sa.Column("articles", sa.Integer(), nullable=False),
        sa.Column("expected", sa.Float()),
        sa.Column("came", sa.Float()),
        sa.Column("why", STRING, nullable=False),
        sa.PrimaryKeyConstraint("topic_id", "at", name=op.f("pk_line_moves")),
    )
    op.create_table(
        "examples",
        sa.Column("ref", STRING, nullable=False),
        sa.Column("url", STRING, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("ref", name=op.f("pk_examples")),
    )
    op.create_table(
        "verdicts",
        sa.Column("topic_id", STRING, nullable=False),
        sa.Column("article_id", STRING, nullable=False),
        sa.Column("relevant", sa.Boolean(), nullable=False),
        sa.Column("state", STRING, nullable=False),
        sa.Column("by", STRING, nullable=False),
        sa.Column("note", TEXT, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("topic_id", "article_id", name=op.f("pk_verdicts")),
    )
    op.create_index(op.f("ix_verdicts_topic_id_at"), "verdicts", ["topic_id", "at"])
    op.create_table(
        "proposals",
        sa.Column("topic_id", STRING, nullable=False),
        sa.Column("base_version", sa.Integer(), nullable=False),
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("report", TEXT, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("topic_id", name=op.f("pk_proposals")),
    )
