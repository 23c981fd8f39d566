"""A store that has seen some news, told in its own words."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import insert

from consumers.ids import alert_id, delivery_id, digest, match_id, story_id
from consumers.model import Article, Match, Passage, Report, Story, Topic
from daemon.feeds import FeedState
from daemon.store import Store, tables
from daemon.wire import to_json

NOW = 1_795_000_000.0  # 18 November 2026


class HeldClock:
    def __init__(self, now: float = NOW) -> None:
        self.at = now

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at - 1_000_000.0

    def pass_by(self, seconds: float) -> None:
        self.at += seconds


@dataclass
class KeptRows:
    store: Store
    articles: int = field(default=0)

    def topic(self, query: str, *, version: int = 1, applied: int | None = 1, enabled: bool = True) -> str:
        topic = Topic(id=query.lower().replace(" ", "-"), query=query, version=version, enabled=enabled)
        with self.store.write() as connection:
            connection.execute(
                insert(tables.topic_versions).values(
                    topic_id=topic.id, version=version, topic=to_json(topic).decode(), at=NOW - 86400
                )
            )
            if applied is not None:
                connection.execute(
                    insert(tables.topics_applied).values(worker="w", topic_id=topic.id, version=applied, at=NOW - 86400)
                )
        return topic.id

    def feed(self, state: FeedState, *, listed: bool = True) -> None:
        row = {"feed_id": state.feed_id, "listed": listed, "next_due": state.next_due}
        with self.store.write() as connection:
            connection.execute(insert(tables.feeds).values(**row, state=to_json(state).decode()))

    def article(self, article: Article) -> None:
        row = {name: getattr(article, name) for name in tables.articles.columns.keys()}  # noqa: SIM118 - not a dict
        with self.store.write() as connection:
            connection.execute(insert(tables.articles).values(**row))

    def alert(
        self,
        topic_id: str,
        headline: str,
        *,
        passage: Passage,
        reports: Sequence[Report],
        reasons: Sequence[str] = (),
        url: str = "https://example.org/a",
        kind: str = "first",
        at: float = NOW - 60,
        deliveries: Sequence[tuple[str, str, str]] = (("console", "sent", ""),),
    ) -> str:
        """``deliveries``: (channel, state, reason)."""
        self.articles += 1
        article = Article(
            id=digest(headline, str(self.articles)),
            feed_id="feed",
            source=reports[0].source if reports else "example.org",
            url=url,
            title=headline,
            seen=at - 2,
        )
        match = Match(
            id=match_id(article.id, topic_id, 1),
            topic_id=topic_id,
            topic_version=1,
            article=article,
            score=0.7,
            passage=passage,
            reasons=tuple(reasons),
        )
        story = Story(
            id=story_id(match.id), topic_id=topic_id, title=headline, started=at, latest=at, reports=tuple(reports)
        )
        alert = alert_id(topic_id, story.id, kind, 1)
        self.article(article)
        with self.store.write() as connection:
            connection.execute(
                insert(tables.stories).values(id=story.id, topic_id=topic_id, latest=at, story=to_json(story).decode())
            )
            connection.execute(
                insert(tables.story_matches).values(
                    match_id=match.id,
                    story_id=story.id,
                    topic_id=topic_id,
                    article_id=article.id,
                    at=at,
                    match=to_json(match).decode(),
                )
            )
            connection.execute(
                insert(tables.alerts).values(
                    id=alert,
                    topic_id=topic_id,
                    story_id=story.id,
                    kind=kind,
                    match_id=match.id,
                    at=at,
                    channels="[]",
                )
            )
            for channel, state, reason in deliveries:
                connection.execute(
                    insert(tables.deliveries).values(
                        id=delivery_id(alert, channel),
                        alert_id=alert,
                        channel=channel,
                        state=state,
                        due=at + 1,
                        attempts=1,
                        in_doubt=False,
                        provider_id="",
                        reason=reason,
                        notice=None,
                        created=at,
                        updated=at + 1,
                    )
                )
        return alert

    def disabled_channel(self, name: str, reason: str) -> None:
        with self.store.write() as connection:
            connection.execute(
                insert(tables.channel_states).values(
                    channel=name, settings_hash="h", disabled=True, reason=reason, at=NOW - 300
                )
            )

    def dead_letter(self, reason: str) -> None:
        with self.store.write() as connection:
            connection.execute(
                insert(tables.dead_letters).values(
                    id=digest(reason),
                    stream="articles",
                    group="match",
                    position="1",
                    payload=b"x",
                    reason=reason,
                    at=NOW,
                )
            )
