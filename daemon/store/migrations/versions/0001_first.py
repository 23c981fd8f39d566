"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# On PostgreSQL sorted and compared by code point, as SQLite does
STRING = sa.String().with_variant(sa.String(collation="C"), "postgresql")
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", STRING, nullable=False),
        sa.Column("topic_id", STRING, nullable=False),
        sa.Column("story_id", STRING, nullable=False),
        sa.Column("kind", STRING, nullable=False),
        sa.Column("match_id", STRING, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("channels", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index(op.f("ix_alerts_at"), "alerts", ["at"], unique=False)
    op.create_index(op.f("ix_alerts_story_id"), "alerts", ["story_id"], unique=False)
    op.create_table(
        "article_vectors",
        sa.Column("article_id", STRING, nullable=False),
        sa.Column("model", STRING, nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("vectors", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("article_id", name=op.f("pk_article_vectors")),
    )
    op.create_table(
        "articles",
        sa.Column("id", STRING, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("feed_id", STRING, nullable=False),
        sa.Column("source", STRING, nullable=False),
        sa.Column("url", STRING, nullable=False),
        sa.Column("title", TEXT, nullable=False),
        sa.Column("text", TEXT, nullable=False),
        sa.Column("published", sa.Float(), nullable=True),
        sa.Column("seen", sa.Float(), nullable=False),
        sa.Column("lang", STRING, nullable=False),
        sa.Column("backfill", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_articles")),
    )
    op.create_index(op.f("ix_articles_seen"), "articles", ["seen"], unique=False)
    op.create_index(op.f("ix_articles_url"), "articles", ["url"], unique=False, postgresql_using="hash")
    op.create_table(
        "channel_states",
        sa.Column("channel", STRING, nullable=False),
        sa.Column("settings_hash", STRING, nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("channel", name=op.f("pk_channel_states")),
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", STRING, nullable=False),
        sa.Column("stream", STRING, nullable=False),
        sa.Column("group", STRING, nullable=False),
        sa.Column("position", STRING, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
    )
    op.create_index(op.f("ix_dead_letters_at"), "dead_letters", ["at"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", STRING, nullable=False),
        sa.Column("alert_id", STRING, nullable=False),
        sa.Column("channel", STRING, nullable=False),
        sa.Column("state", STRING, nullable=False),
        sa.Column("due", sa.Float(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("in_doubt", sa.Boolean(), nullable=False),
        sa.Column("provider_id", STRING, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("notice", TEXT, nullable=True),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("updated", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index(op.f("ix_deliveries_alert_id"), "deliveries", ["alert_id"], unique=False)
    op.create_index(op.f("ix_deliveries_state_due"), "deliveries", ["state", "due"], unique=False)
    op.create_table(
        "feeds",
        sa.Column("feed_id", STRING, nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("next_due", sa.Float(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("feed_id", name=op.f("pk_feeds")),
    )
    op.create_index(op.f("ix_feeds_listed_next_due"), "feeds", ["listed", "next_due"], unique=False)
    op.create_table(
        "scores",
        sa.Column("topic_id", STRING, nullable=False),
        sa.Column("article_id", STRING, nullable=False),
        sa.Column("topic_version", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("passage", sa.Integer(), nullable=False),
        sa.Column("matched", sa.Boolean(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("topic_id", "article_id", name=op.f("pk_scores")),
    )
    op.create_index(op.f("ix_scores_article_id"), "scores", ["article_id"], unique=False)
    op.create_index(op.f("ix_scores_topic_id_at"), "scores", ["topic_id", "at"], unique=False)
    op.create_table(
        "seen_items",
        sa.Column("feed_id", STRING, nullable=False),
        sa.Column("article_id", STRING, nullable=False),
        sa.Column("content_hash", STRING, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("last_seen", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("feed_id", "article_id", name=op.f("pk_seen_items")),
    )
    op.create_index(op.f("ix_seen_items_last_seen"), "seen_items", ["last_seen"], unique=False)
    op.create_table(
        "stories",
        sa.Column("id", STRING, nullable=False),
        sa.Column("topic_id", STRING, nullable=False),
        sa.Column("latest", sa.Float(), nullable=False),
        sa.Column("story", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stories")),
    )
    op.create_index(op.f("ix_stories_latest"), "stories", ["latest"], unique=False)
    op.create_index(op.f("ix_stories_topic_id_latest"), "stories", ["topic_id", "latest"], unique=False)
    op.create_table(
        "story_matches",
        sa.Column("match_id", STRING, nullable=False),
        sa.Column("story_id", STRING, nullable=False),
        sa.Column("topic_id", STRING, nullable=False),
        sa.Column("article_id", STRING, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("match", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("match_id", name=op.f("pk_story_matches")),
    )
    op.create_index(op.f("ix_story_matches_at"), "story_matches", ["at"], unique=False)
    op.create_index(op.f("ix_story_matches_story_id"), "story_matches", ["story_id"], unique=False)
    op.create_table(
        "topic_versions",
        sa.Column("topic_id", STRING, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("topic", TEXT, nullable=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("topic_id", "version", name=op.f("pk_topic_versions")),
    )
    op.create_table(
        "topics_applied",
        sa.Column("worker", STRING, nullable=False),
        sa.Column("topic_id", STRING, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("worker", "topic_id", name=op.f("pk_topics_applied")),
    )
