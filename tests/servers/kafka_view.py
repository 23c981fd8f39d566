"""What one node says about its cluster, asked over the wire."""

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient


class View:
    """Both answers are empty while the node gives none; each question waits a second at most."""

    def __init__(self, address: str) -> None:
        self._client = AdminClient(
            {
                "bootstrap.servers": address,
                "reconnect.backoff.max.ms": 200,
                "log_level": 0,  # that connections are refused is expected
            }
        )

    def brokers(self) -> frozenset[int]:
        """Those that serve; others are left out."""
        try:
            return frozenset(self._client.list_topics(timeout=1).brokers)
        except KafkaException:
            return frozenset()

    def in_sync(self) -> bool:
        """Every replica of every partition."""
        try:
            topics = self._client.list_topics(timeout=1).topics.values()
        except KafkaException:
            return False
        return all(set(one.isrs) == set(one.replicas) for topic in topics for one in topic.partitions.values())
