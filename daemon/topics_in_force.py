"""Topics as the matchers have them now, for whoever compares an article outside of a matcher."""

from consumers.asked import wording
from consumers.model import Calibration, Topic
from daemon.errors import Unusable
from daemon.store import Store
from daemon.store.calibrations import Calibrations
from daemon.store.models import Models, in_force
from daemon.store.topics import TopicVersions


class TopicsInForce:
    """Threads may share it. Every method raises ``Unavailable``."""

    def __init__(self, store: Store) -> None:
        self._versions = TopicVersions(store)
        self._calibrations = Calibrations(store)
        self._models = Models(store)

    def enabled(self, topic_id: str) -> Topic:
        """Raises ``Unusable`` where there is none, or where it is disabled."""
        topic = self._versions.in_force().get(topic_id)
        if topic is None:
            raise Unusable(f'there is no topic "{topic_id}" in force: see `wirewatch topics list`')
        if not topic.enabled:
            raise Unusable(f"{topic_id} is disabled, so nothing is compared with it: enable it first")
        return topic

    def model_name(self, configured: str) -> str:
        """Of the model that decides: while another one is being prepared it is not the configured one."""
        force = in_force(self._models.all())
        return configured if force is None else force.name

    def calibration(self, topic: Topic, model: str) -> Calibration | None:
        """Of this version; until there is one the last one does, as long as the wording is the same. None: priors."""
        found = self._calibrations.latest(model, [topic.id]).get(topic.id)
        if found is None or found.topic_version == topic.version:
            return found
        history = {each.version: each.topic for each in self._versions.history(topic.id)}
        earlier = history.get(found.topic_version)
        return found if earlier is not None and wording(earlier) == wording(topic) else None
