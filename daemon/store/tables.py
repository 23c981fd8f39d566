"""Every table of the store. A change here needs a migration in migrations/versions; a test compares the two."""

from sqlalchemy import Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, Table

from daemon.store.types import String, Text

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"},
)

# -- fetch: what polling has learned, and which items were read

feeds = Table(
    "feeds",
    metadata,
    Column("feed_id", String, primary_key=True),
    Column("listed", Boolean, nullable=False),  # still in feeds.toml, and enabled there
    Column("next_due", Float, nullable=False),
    Column("state", Text, nullable=False),  # FeedState as JSON
    Index(None, "listed", "next_due"),
)

seen_items = Table(  # outlives the archive, so that an item still in its feed is never news again
    "seen_items",
    metadata,
    Column("feed_id", String, primary_key=True),
    Column("article_id", String, primary_key=True),
    Column("content_hash", String, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("last_seen", Float, nullable=False),
    Index(None, "last_seen"),
)

# -- match: the archive

articles = Table(
    "articles",
    metadata,
    Column("id", String, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("feed_id", String, nullable=False),
    Column("source", String, nullable=False),
    Column("url", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("published", Float),
    Column("seen", Float, nullable=False),
    Column("lang", String, nullable=False),
    Column("backfill", Boolean, nullable=False),
    Index(None, "seen"),
    Index(None, "url", postgresql_using="hash"),  # its other kind refuses URLs of more than some 2,700 bytes
)

article_vectors = Table(  # rows of float16: the whole article, the title, then each passage
    "article_vectors",
    metadata,
    Column("article_id", String, primary_key=True),
    Column("model", String, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("vectors", LargeBinary, nullable=False),
)

article_words = Table(  # what the article says, as consumers.bag writes it; missing where an older release archived it
    "article_words",
    metadata,
    Column("article_id", String, primary_key=True),
    Column("words", LargeBinary, nullable=False),
)

next_vectors = Table(  # of a model that is being prepared; until they are moved, also of one that has just taken over
    "next_vectors",
    metadata,
    Column("article_id", String, primary_key=True),
    Column("model", String, primary_key=True),
    Column("rows", Integer, nullable=False),
    Column("vectors", LargeBinary, nullable=False),
)

models = Table(  # those that ever were in force, and the one that is being prepared
    "models",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),  # as the settings say it
    Column("state", String, nullable=False),  # preparing | in force | retired
    Column("at", Float, nullable=False),  # when it came into this state
    Column("report", Text, nullable=False),  # agreement with the one before, as JSON
)

scores = Table(  # every score above a low floor, matched or not
    "scores",
    metadata,
    Column("topic_id", String, primary_key=True),
    Column("article_id", String, primary_key=True),
    Column("topic_version", Integer, nullable=False),
    Column("score", Float, nullable=False),
    Column("passage", Integer, nullable=False),
    Column("matched", Boolean, nullable=False),
    Column("gate", String, nullable=False, server_default=""),  # the first one that failed, or empty
    Column("at", Float, nullable=False),
    Index(None, "topic_id", "at"),
    Index(None, "article_id"),
)

# -- topics: every version that was ever in force, and who has applied which

topic_versions = Table(
    "topic_versions",
    metadata,
    Column("topic_id", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("topic", Text),  # Topic as JSON; null: removed
    Column("at", Float, nullable=False),
)

topics_applied = Table(
    "topics_applied",
    metadata,
    Column("worker", String, primary_key=True),
    Column("topic_id", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("at", Float, nullable=False),
)

calibrations = Table(  # the latest of each; the stream of calibrations carries them to the matchers
    "calibrations",
    metadata,
    Column("topic_id", String, primary_key=True),
    Column("model", String, primary_key=True),
    Column("topic_version", Integer, nullable=False),
    Column("at", Float, nullable=False),
    Column("calibration", Text, nullable=False),  # Calibration as JSON
)

line_moves = Table(  # when and why a line moved, for people
    "line_moves",
    metadata,
    Column("topic_id", String, primary_key=True),
    Column("at", Float, primary_key=True),
    Column("topic_version", Integer, nullable=False),
    Column("model", String, nullable=False),
    Column("line", Float, nullable=False),
    Column("articles", Integer, nullable=False),
    Column("expected", Float),  # stories a day
    Column("came", Float),
    Column("why", String, nullable=False),  # "new version", "first archive", "drift", "new model"
)

examples = Table(  # texts that topics name as examples: kept beyond the archive's retention
    "examples",
    metadata,
    Column("ref", String, primary_key=True),  # "https://…", "article:ID", or "text:" with the digest of the text
    Column("url", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("reason", Text, nullable=False),  # why it could not be read, or empty
    Column("at", Float, nullable=False),
)

verdicts = Table(  # what people said of a match or a near miss
    "verdicts",
    metadata,
    Column("topic_id", String, primary_key=True),
    Column("article_id", String, primary_key=True),
    Column("relevant", Boolean, nullable=False),
    Column("state", String, nullable=False),  # open | accepted | dropped
    Column("by", String, nullable=False),
    Column("note", Text, nullable=False),
    Column("at", Float, nullable=False),
    Index(None, "topic_id", "at"),
)

proposals = Table(  # the version that a topic's open verdicts would make, and what it would change
    "proposals",
    metadata,
    Column("topic_id", String, primary_key=True),
    Column("base_version", Integer, nullable=False),
    Column("topic", Text, nullable=False),  # Topic as JSON
    Column("report", Text, nullable=False),  # its back-test against the version in force, as JSON; empty: not yet
    Column("at", Float, nullable=False),
)

# -- many workers: who is there, and who owns what

workers = Table(  # one row for each process that runs; a row that is no longer renewed is removed by the others
    "workers",
    metadata,
    Column("id", String, primary_key=True),
    Column("roles", String, nullable=False),  # "fetch match alert web", those it runs
    Column("host", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", String, nullable=False),
    Column("listen", String, nullable=False),  # where its health and metrics are served
    Column("since", Float, nullable=False),
    Column("turn", Integer, nullable=False),  # raised with every sign of life
    Column("seen", Float, nullable=False),  # by its own clock, for people
    Column("ready", Boolean, nullable=False),
    Column("detail", Text, nullable=False),  # WorkerDetail as JSON
)

leases = Table(  # a name that one worker owns at a time; a turn that stands still for the length of a lease is void
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("turn", Integer, nullable=False),
)

story_turns = Table(  # how often the stories of a topic were written: an alerter that remembers another number is late
    "story_turns",
    metadata,
    Column("topic_id", String, primary_key=True),
    Column("turn", Integer, nullable=False),
)

# -- alert: stories, and what was told to whom

stories = Table(
    "stories",
    metadata,
    Column("id", String, primary_key=True),
    Column("topic_id", String, nullable=False),
    Column("latest", Float, nullable=False),
    Column("story", Text, nullable=False),  # Story as JSON
    Index(None, "topic_id", "latest"),
    Index(None, "latest"),
)

story_matches = Table(
    "story_matches",
    metadata,
    Column("match_id", String, primary_key=True),
    Column("story_id", String, nullable=False),
    Column("topic_id", String, nullable=False),
    Column("article_id", String, nullable=False),
    Column("at", Float, nullable=False),  # when it joined
    Column("match", Text, nullable=False),  # Match as JSON
    Index(None, "story_id"),
    Index(None, "at"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", String, primary_key=True),
    Column("topic_id", String, nullable=False),
    Column("story_id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("match_id", String, nullable=False),
    Column("at", Float, nullable=False),
    Column("channels", Text, nullable=False),  # JSON list
    Column("why", Text, nullable=False, server_default=""),
    Column("facts", Text, nullable=False, server_default="[]"),  # list of Fact as JSON
    Column("severity", String, nullable=False, server_default="normal"),
    Index(None, "at"),
    Index(None, "story_id"),
)

ledger = Table(  # what became of each delivery, step by step, for people; the rows of a delivery that waits come first
    "ledger",
    metadata,
    Column("delivery_id", String, primary_key=True),
    Column("at", Float, primary_key=True),
    Column("event", String, primary_key=True),  # LedgerEvent
    Column("alert_id", String, nullable=False),
    Column("topic_id", String, nullable=False),
    Column("story_id", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("why", Text, nullable=False),
    Index(None, "story_id"),
    Index(None, "alert_id"),
    Index(None, "at"),
)

mutes = Table(
    "mutes",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),  # story | topic | source
    Column("target", String, nullable=False),  # id of the story or topic, or a host name
    Column("since", Float, nullable=False),
    Column("until", Float, nullable=False),
    Column("by", String, nullable=False),
    Column("comment", Text, nullable=False),
    Column("until_new_facts", Boolean, nullable=False),
    Column("ended", Float),  # before its time, or at it
    Column("ended_why", Text, nullable=False),
    Index(None, "ended"),
    Index(None, "target"),
)

topic_signals = Table(  # spikes and silences that go on
    "topic_signals",
    metadata,
    Column("topic_id", String, primary_key=True),
    Column("kind", String, primary_key=True),  # spike | silence
    Column("since", Float, nullable=False),
)

# -- send: the outbox

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String, primary_key=True),
    Column("alert_id", String, nullable=False),  # empty for a notice and for a digest
    Column("channel", String, nullable=False),
    Column("state", String, nullable=False),  # pending | held | sending | retry | sent | dead
    Column("due", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("in_doubt", Boolean, nullable=False),  # the process died while it was on the wire
    Column("provider_id", String, nullable=False),
    Column("reason", Text, nullable=False),  # of the last failure, for people
    Column("notice", Text),  # Notice as JSON, where it is one
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    Column("held", Text, nullable=False, server_default=""),  # why it waits, or waited last, until ``due``: see holding
    Column("carrier", String, nullable=False, server_default=""),  # the delivery that tells this one as well
    Column("carries", Text),  # of a digest: Carries as JSON
    Index(None, "state", "due"),
    Index(None, "alert_id"),
    Index(None, "channel", "state"),
    Index(None, "carrier"),
)

living_messages = Table(  # messages that are brought up to date in place: those of first alerts, where a channel can
    "living_messages",
    metadata,
    Column("delivery_id", String, primary_key=True),
    Column("alert_id", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("story_id", String, nullable=False),
    Column("provider_id", String, nullable=False),
    Column("wanted", Integer, nullable=False),  # raised with every change of the story
    Column("shown", Integer, nullable=False),  # what the channel has accepted
    Column("due", Float, nullable=False),  # of the next edit
    Column("updated", Float, nullable=False),
    Index(None, "channel", "due"),
    Index(None, "story_id"),
)

channel_states = Table(
    "channel_states",
    metadata,
    Column("channel", String, primary_key=True),
    Column("settings_hash", String, nullable=False),  # changed settings give a disabled channel a new chance
    Column("disabled", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Float, nullable=False),
)

# -- records set aside

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", String, primary_key=True),
    Column("stream", String, nullable=False),
    Column("group", String, nullable=False),
    Column("position", String, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Float, nullable=False),
    Index(None, "at"),
)
