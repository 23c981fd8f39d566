"""How a Kafka cluster is reached: what its clients are told. Imports no Kafka."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from daemon.errors import Unusable
from daemon.log.broker import Broker

_BATCH = 131_072  # bytes that go to a partition together
_AROUND = 100_000  # bytes that a batch of one record may take beside the record: its key, and what is around it
_FETCH = 8 * 2**20  # bytes of one answer, still compressed: what a reader that does not keep up holds of each broker


@dataclass(frozen=True, slots=True)
class Options:
    """By the names of kafka-python 3.0. Seconds; the meaning is told by ``KafkaLog``."""

    broker: Broker
    tls: ssl.SSLContext | None
    patience: float
    session: float
    batch_time: float

    @property
    def patience_ms(self) -> int:
        return milliseconds(self.patience)

    def asking(self) -> Mapping[str, Any]:
        """What every client takes."""
        broker = self.broker
        told: dict[str, Any] = {
            "bootstrap_servers": list(broker.servers),
            "client_id": broker.client,
            "security_protocol": f"{'SASL_' if broker.sasl else ''}{'SSL' if broker.tls else 'PLAINTEXT'}",
            "bootstrap_timeout_ms": self.patience_ms,
            # A broker that hangs is given up in time to ask another one.
            "request_timeout_ms": milliseconds(max(1.0, self.patience / 2)),
            "retry_backoff_ms": 50,
            "reconnect_backoff_ms": 50,
            "reconnect_backoff_max_ms": 1_000,  # by default a broker that is back is not tried for 30 s
        }
        if self.tls is not None:
            told["ssl_context"] = self.tls
        if broker.sasl:
            told["sasl_mechanism"] = broker.sasl.upper()
            told["sasl_plain_username"] = broker.username  # SCRAM takes them from here, too
            told["sasl_plain_password"] = broker.password
        return told

    def producing(self) -> Mapping[str, Any]:
        """Idempotence and transactions stay off: with them one record that is refused, or an outage that is longer
        than the delivery timeout, makes kafka-python fail for good. One request at a time keeps the order over retries.
        """
        compression = self.broker.compression
        return {
            **self.asking(),
            "metrics_enabled": False,
            "allow_auto_create_topics": False,
            "acks": "all",
            "enable_idempotence": False,
            "max_in_flight_requests_per_connection": 1,
            "compression_type": None if compression == "none" else compression,
            "batch_size": _BATCH,
            "max_request_size": self.broker.max_record + _AROUND,
            "delivery_timeout_ms": self.patience_ms,
            "max_block_ms": self.patience_ms,
        }

    def reading(self) -> Mapping[str, Any]:
        """Without a group."""
        return {
            **self.asking(),
            "metrics_enabled": False,
            "allow_auto_create_topics": False,
            "group_id": None,
            "auto_offset_reset": "earliest",
            "enable_auto_commit": False,
            "fetch_max_bytes": _FETCH,
        }

    def joining(self, group: str) -> Mapping[str, Any]:
        return {
            **self.reading(),
            "group_id": group,
            "session_timeout_ms": milliseconds(self.session),
            "heartbeat_interval_ms": milliseconds(min(1.0, self.session / 4)),  # its answer tells of a rebalance
            "max_poll_interval_ms": milliseconds(self.batch_time),
        }


def milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def tls_context(broker: Broker) -> ssl.SSLContext | None:
    """None without TLS. Raises ``Unusable``."""
    if not broker.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=broker.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Unusable(f"[log] ca_file: {broker.ca_file} holds no certificates that can be used ({error})") from error
    if broker.cert_file is not None:
        try:
            # A password would be asked for on the terminal: an encrypted key is refused instead.
            context.load_cert_chain(broker.cert_file, broker.key_file, password="")
        except (OSError, ssl.SSLError, ValueError) as error:
            raise Unusable(
                f"[log] cert_file, key_file: {broker.cert_file} and its key cannot be used ({error}); both must be "
                "PEM, the key without a password"
            ) from error
    return context
