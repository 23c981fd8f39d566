"""A desk that is told news: matches go through a real alerter and a real outbox, at times that the test names."""

from collections.abc import Mapping, Sequence

from consumers.alerting import Alerter
from consumers.holding import Quiet
from consumers.model import Match, Story, Topic
from daemon.store import Store
from daemon.store.outbox import Outbox
from daemon.store.stories import Stories
from daemon.store.story_details import detail
from daemon.store.tables import topic_versions
from daemon.store.upsert import upsert
from daemon.wire import to_json


class ToldStories:
    """``send`` is what a sender does: release, claim, send, record."""

    def __init__(self, store: Store, *topics: Topic) -> None:
        self.store = store
        self.outbox = Outbox(store)
        self._topics: Mapping[str, Topic] = {topic.id: topic for topic in topics}
        self._sent = 0
        rows = [{"topic_id": t.id, "version": 1, "topic": to_json(t).decode(), "at": 0.0} for t in topics]
        with store.write() as connection:
            upsert(topic_versions, rows, connection=connection)

    def tell(self, *matches: Match, at: float) -> Sequence[str]:
        """The ids of the alerts that this makes."""
        stories = Stories(self.store)
        alerter = Alerter(settle=0.0)
        alerter.apply_topics(self._topics)
        alerter.restore(stories.restore(0.0, tuple(self._topics)))
        turns = stories.turns(tuple(self._topics))
        decisions = alerter.decide(matches, at, stories.recorded([match.id for match in matches]))
        stories.record(decisions, turns)
        return [alert.id for alert in decisions.alerts]

    def send(self, channel: str, at: float, quiet: Quiet | None = None) -> Sequence[str]:
        """Everything that goes out on the channel now. What the channel calls each message."""
        names = []
        self.outbox.end_mutes(at)
        self.outbox.release(at, channel)
        while delivery := self.outbox.claim(at, channel, quiet):
            self._sent += 1
            names.append(f"{channel}-{self._sent}")
            self.outbox.sent(delivery.id, names[-1], at)
        return names

    def story(self, match: Match) -> Story:
        """The one that the match belongs to."""
        found = detail(self.store, Stories(self.store).recorded([match.id])[match.id].story_id)
        assert found
        return found.story
