"""What was told of a story and why, messages that live, mutes, signals, and deliveries that wait or are carried."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# On PostgreSQL sorted and compared by code point, as SQLite does
STRING = sa.String().with_variant(sa.String(collation="C"), "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("alerts", sa.Column("why", TEXT, nullable=False, server_default=""))
    op.add_column("alerts", sa.Column("facts", TEXT, nullable=False, server_default="[]"))
    op.add_column("alerts", sa.Column("severity", STRING, nullable=False, server_default="normal"))
    op.add_column("deliveries", sa.Column("held", TEXT, nullable=False, server_default=""))
    op.add_column("deliveries", sa.Column("carrier", STRING, nullable=False, server_default=""))
    op.add_column("deliveries", sa.Column("carries", TEXT))
    op.create_index("ix_deliveries_channel_state", "deliveries", ["channel", "state"])
    op.create_index("ix_deliveries_carrier", "deliveries", ["carrier"])
    op.create_table(
        "ledger",
        sa.Column("delivery_id", STRING, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("event", STRING, nullable=False),
        sa.Column("alert_id", STRING, nullable=False),
        sa.Column("topic_id", STRING, nullable=False),
        sa.Column("story_id", STRING, nullable=False),
        sa.Column("channel", STRING, nullable=False),
        sa.Column("why", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", "at", "event", name=op.f("pk_ledger")),
    )
    op.create_index("ix_ledger_story_id", "ledger", ["story_id"])
    op.create_index("ix_ledger_alert_id", "ledger", ["alert_id"])
    op.create_index("ix_ledger_at", "ledger", ["at"])
    op.create_table(
        "mutes",
        sa.Column("id", STRING, nullable=False),
        sa.Column("kind", STRING, nullable=False),
        sa.Column("target", STRING, nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.Column("by", STRING, nullable=False),
        sa.Column("comment", TEXT, nullable=False),
        sa.Column("until_new_facts", sa.Boolean(), nullable=False),
        sa.Column("ended", sa.Float()),
        sa.Column("ended_why", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mutes")),
    )
    op.create_index("ix_mutes_ended", "mutes", ["ended"])
    op.create_index("ix_mutes_target", "mutes", ["target"])
    op.create_table(
        "topic_signals",
        sa.Column("topic_id", STRING, nullable=False),
        sa.Column("kind", STRING, nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("topic_id", "kind", name=op.f("pk_topic_signals")),
    )
    op.create_table(
        "living_messages",
        sa.Column("delivery_id", STRING, nullable=False),
        sa.Column("alert_id", STRING, nullable=False),
        sa.Column("channel", STRING, nullable=False),
        sa.Column("story_id", STRING, nullable=False),
        sa.Column("provider_id", STRING, nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("shown", sa.Integer(), nullable=False),
        sa.Column("due", sa.Float(), nullable=False),
        sa.Column("updated", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_living_messages")),
    )
    op.create_index("ix_living_messages_channel_due", "living_messages", ["channel", "due"])
    op.create_index("ix_living_messages_story_id", "living_messages", ["story_id"])
