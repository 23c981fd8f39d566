"""The log in a Kafka cluster: many machines, many processes.

    append ──▶ Writer ───────────────▶ producer ─┐
    reader ──▶ KafkaReader ──▶ Way ──▶ member ───┼──▶ cluster
    table ───▶ KafkaTable ───▶ Way ──▶ follower ─┘

Writer bounds what is on its way (kafka_writer), Way knows whose the records are that were read (kafka_reader), and the
clients on the right are kafka-python's, which is imported in kafka_clients alone.
"""

import threading
from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

from consumers.model import Stream
from daemon.clock import Clock
from daemon.log import Quarantine, Tombstone
from daemon.log.broker import Broker
from daemon.log.decoder import Decoder
from daemon.log.fit import fitted
from daemon.log.kafka_access import Options, tls_context
from daemon.log.kafka_clients import Clients
from daemon.log.kafka_groups import behind, group_id, ours
from daemon.log.kafka_reader import KafkaReader, KafkaTable
from daemon.log.kafka_writer import Row, Writer
from daemon.log.streams import Found, Wanted

T = TypeVar("T")


class KafkaLog:
    """Keeps every promise of ``Log``. Opening it asks nobody: the first use raises what there is to raise.

    Whatever is used raises ``Unavailable`` where the cluster may come back by itself, and ``Unusable`` where somebody
    has to change the settings, the password or the cluster.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        quarantine: Quarantine,
        clock: Clock,
        quarantine_limit: int = 100,
        patience: float = 10.0,
        joining: float = 0.5,
        session: float = 10.0,
        batch_time: float = 300.0,
        in_flight: int = 16 * 2**20,
    ) -> None:
        """``patience``: seconds until an append, a commit or a question is given up. ``joining``: seconds that a read
        waits for its place in the group. ``session``: seconds until others take over from a process that died.
        ``batch_time``: seconds between a read and its commit, or the next read, after which others take over, too.
        ``in_flight``: bytes that all appends together may have on their way.

        Raises ``Unusable`` for a certificate or a key that cannot be read.
        """
        self._broker = broker
        timing = Options(broker, tls_context(broker), patience=patience, session=session, batch_time=batch_time)
        self._clients = Clients(broker, timing)
        self._quarantine = quarantine
        self._clock = clock
        self._limit = quarantine_limit
        self._patience = patience
        self._joining = joining
        self._writer = Writer(self._clients.producer, room=in_flight, patience=patience)
        self._closing = threading.Event()
        self._opening = threading.Lock()
        self._open: list[KafkaReader[Any] | KafkaTable[Any]] = []  # each has a thread, also where nobody holds it

    def append(self, stream: Stream[T], records: Iterable[T | Tombstone]) -> None:
        self._writer.write(self._name(stream), [self._row(stream, record) for record in records])

    def reader(self, stream: Stream[T], group: str) -> KafkaReader[T]:
        reader = KafkaReader(
            stream,
            group,
            connect=lambda: self._clients.member(self._name(stream), group_id(self._broker.prefix, group, stream.name)),
            decoder=self._decoder(stream, group),
            closing=self._closing,
            patience=self._patience,
            joining=self._joining,
        )
        self._remember(reader)
        return reader

    def table(self, stream: Stream[T]) -> KafkaTable[T]:
        table = KafkaTable(
            stream,
            connect=lambda: self._clients.follower(self._name(stream)),
            decoder=self._decoder(stream, "table"),
            closing=self._closing,
            patience=self._patience,
        )
        self._remember(table)
        return table

    def trim(self, before: float) -> int:
        """The cluster forgets by itself what is older than the stream's retention."""
        return 0

    def lag(self) -> Mapping[tuple[str, str], int]:
        """By (stream, group), for every group of this prefix: how many records it has yet to commit.

        Raises ``Unavailable``.
        """
        prefix = self._broker.prefix
        groups = ours(prefix, self._clients.groups())
        committed = self._clients.committed(groups.values())
        first, end = self._clients.bounds({prefix + stream for stream, _ in groups})
        lags = {key: behind(prefix + key[0], committed[name], first, end) for key, name in groups.items()}
        return {key: lag for key, lag in lags.items() if lag is not None}

    def found(self, names: Collection[str]) -> Mapping[str, Found | None]:
        """Streams by the names that the cluster knows them by; ``None`` where there is no such stream."""
        return self._clients.found(names)

    def make(self, wanted: Iterable[Wanted]) -> None:
        """Returns when each is there and can be written, also where somebody else made it meanwhile."""
        self._clients.make(wanted)

    def brokers(self) -> int:
        """How many serve now."""
        return self._clients.brokers()

    def close(self) -> None:
        """Readers that wait return at once with nothing; whatever is called afterwards raises ``Unavailable``."""
        self._closing.set()
        self._clients.close()  # first: a reader that waits for an answer gives up, and can be closed
        for reader in self._open:
            reader.close()
        self._writer.close()

    def _name(self, stream: Stream[T]) -> str:
        return self._broker.prefix + stream.name

    def _row(self, stream: Stream[T], record: T | Tombstone) -> Row:
        if isinstance(record, Tombstone):
            if not stream.compacted:
                raise ValueError(f"the stream {stream.name} is not compacted: nothing can be removed from it")
            return record.key.encode(), None
        return stream.key(record).encode(), fitted(stream, record, self._broker.max_record)

    def _remember(self, reader: KafkaReader[Any] | KafkaTable[Any]) -> None:
        with self._opening:
            self._open = [one for one in self._open if not one.closed] + [reader]

    def _decoder(self, stream: Stream[T], group: str) -> Decoder[T]:
        return Decoder(stream, group, quarantine=self._quarantine, clock=self._clock, limit=self._limit)
