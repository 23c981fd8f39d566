"""Reading streams of a Kafka cluster: a group's place in a stream, and a compacted stream as a table.

Imports no Kafka: ``Client`` is all that is needed of one, and ``daemon.log.kafka_clients`` has the real one.
"""

import threading
import time
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from consumers.model import Stream
from daemon.errors import Fenced, Unavailable
from daemon.log.decoder import Decoder

T = TypeVar("T")

_SLICE = 0.2  # seconds in one poll; after it a waiting reader sees that its log was closed
_JOIN_SLICE = 0.05  # the same while joining: a poll that joined spends the rest of its time waiting for records
_AT_ONCE = 500  # records a table takes from one poll


class Fetched(Protocol):
    """One record as it lies in the cluster."""

    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class Client(Protocol):
    """One client's way through one stream, one thread at a time. Raises ``Unavailable`` and ``Unusable``."""

    def membership(self) -> Hashable | None:
        """Another value after every rebalance; None while there is no place in the group. Asks nobody."""
        ...

    def poll(self, limit: int, seconds: float) -> Sequence[Fetched]:
        """Joins the group, or joins it again where the cluster asks for it, within the same time."""
        ...

    def partitions(self) -> Collection[int]:
        """Those that are this client's now."""
        ...

    def places(self) -> Mapping[int, int]:
        """By partition: the offset of the next record."""
        ...

    def ends(self) -> Mapping[int, int]:
        """By partition: the offset after the last record that there is now."""
        ...

    def go_to(self, places: Mapping[int, int]) -> None:
        """A partition that is not named goes to the group's last commit, else to the first record there is."""
        ...

    def commit(self, places: Mapping[int, int]) -> None:
        """Also raises ``Fenced`` where the group does not take it."""
        ...

    def close(self) -> None: ...


class Way:
    """Follows a client so that no record is skipped or given twice, whatever happens in between.

    After a rebalance kafka-python keeps its place in every partition that it had before, also where another member
    had the partition in between (a rebalance that this one was too late for); and a poll that fails may have counted
    records as read that nobody saw. So after both it is told where to go on.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.resume: dict[int, int] = {}
        """By partition: where to go on, if not at the last commit."""
        self._membership = client.membership()
        self._lost = False  # the client's places are not to be relied on

    @property
    def joined(self) -> bool:
        return self._membership is not None and not self.moved

    @property
    def moved(self) -> bool:
        """What was read may belong to others by now. The next ``poll`` says so, too."""
        return self.client.membership() != self._membership

    def poll(self, limit: int, seconds: float) -> Sequence[Fetched] | None:
        """None after a rebalance, or where one has begun; empty when ``seconds`` are over."""
        known = self._find()
        self._lost = True  # unless the poll ends as it should
        fetched = self.client.poll(limit, seconds)
        membership = self.client.membership()
        if membership != self._membership:
            self._membership = membership
            return None
        self._lost = not known
        return fetched if known else ()

    def behind(self) -> bool:
        """Are there records for this client that ``poll`` has not given? Asks the cluster."""
        if not self._find() or not self.client.partitions():
            return False
        ends, places = self.client.ends(), self.client.places()
        return any(places.get(partition, 0) < end for partition, end in ends.items())

    def _find(self) -> bool:
        """Sends a client that is lost to where it has to go on; False while it has no place in the group."""
        if not self.joined:
            return False
        if self._lost:
            self.client.go_to(self.resume)
            self._lost = False
        return True


class KafkaReader(Generic[T]):
    """Keeps every promise of ``Reader``.

    Readers of a group share the stream's partitions. A rebalance happens in a poll and a poll in ``read`` alone, so
    between ``read`` and ``commit`` the cluster waits for this reader, and what it holds can be committed. Where the
    cluster waited too long, or lost sight of this reader, others have its partitions: ``Fenced``.
    """

    def __init__(
        self,
        stream: Stream[T],
        group: str,
        *,
        connect: Callable[[], Client],
        decoder: Decoder[T],
        closing: threading.Event,
        patience: float,
        joining: float,
    ) -> None:
        """``patience``: seconds for records that are there to arrive. ``joining``: seconds that a read, whatever its
        timeout, waits for a place in the group: once per rebalance, which takes longer while others are busy.
        """
        self._stream = stream
        self._group = group
        self._connect = connect
        self._decoder = decoder
        self._closing = closing
        self._patience = patience
        self._joining = joining
        self._turn = threading.Lock()  # the log may be closed by another thread
        self._way: Way | None = None
        self._join_by = 0.0
        self._fetched: Sequence[Fetched] = ()  # not given to anybody yet
        self._holding = False  # somebody has records that are not committed
        self._fenced = False
        self.closed = False

    def read(self, limit: int, timeout: float) -> Sequence[T]:
        deadline = time.monotonic() + timeout
        with self._turn:
            way = self._followed()
            while True:
                if way.moved:
                    self._let_go(way)
                if not self._fetched:
                    self._fetched = self._fetch(way, limit, deadline)
                batch = self._fetched[:limit]
                if not batch:
                    return []
                payloads = ((f"{one.partition}:{one.offset}", one.value) for one in batch)
                records = list(self._decoder.records((at, value) for at, value in payloads if value is not None))
                self._fetched = self._fetched[len(batch) :]
                way.resume.update((one.partition, one.offset + 1) for one in batch)
                if records:
                    self._holding = True
                    return records
                if not self._holding:
                    self._pass_over(way)

    def commit(self) -> None:
        with self._turn:
            way = self._followed()
            if not self._holding:
                self._pass_over(way)
                return
            if way.moved:
                raise self._fence()
            try:
                way.client.commit(way.resume)
            except Fenced as error:
                raise self._fence() from error
            way.resume.clear()
            self._holding = False

    def close(self) -> None:
        with self._turn:
            self.closed = True
            way, self._way = self._way, None
            if way is not None:
                way.client.close()

    def _followed(self) -> Way:
        if self.closed or self._closing.is_set():
            raise Unavailable(f"the log is closed, and with it the stream {self._stream.name}")
        if self._fenced:
            raise self._fence()
        if self._way is None:
            self._way = Way(self._connect())
            self._join_by = time.monotonic() + self._joining
        return self._way

    def _fetch(self, way: Way, limit: int, deadline: float) -> Sequence[Fetched]:
        """Records after the last ones; empty when there is none in time, and when the log is being closed."""
        fetched = self._wait(way, limit, deadline)
        if fetched or not way.behind():
            return fetched
        fetched = self._wait(way, limit, time.monotonic() + self._patience)  # they are there, and on their way
        if not fetched and way.behind() and not self._closing.is_set():
            raise Unavailable(f"records of the stream {self._stream.name} do not arrive")
        return fetched

    def _wait(self, way: Way, limit: int, deadline: float) -> Sequence[Fetched]:
        while not self._closing.is_set():
            left = (deadline if way.joined else max(deadline, self._join_by)) - time.monotonic()
            fetched = way.poll(limit, max(0.0, min(left, _SLICE if way.joined else _JOIN_SLICE)))
            if fetched is None:
                self._let_go(way)
            elif fetched:
                return fetched
            if left <= 0:
                break
        return ()

    def _let_go(self, way: Way) -> None:
        """After a rebalance. Raises ``Fenced`` where somebody holds records that others may have now, too."""
        if self._holding:
            raise self._fence()
        self._join_by = time.monotonic() + self._joining
        self._fetched = ()
        way.resume.clear()

    def _pass_over(self, way: Way) -> None:
        """Nobody has to read again what is in quarantine; where this fails, it is read and set aside again."""
        try:
            if way.resume and not way.moved:
                way.client.commit(way.resume)
                way.resume.clear()
        except (Fenced, Unavailable):
            return

    def _fence(self) -> Fenced:
        self._fenced = True
        return Fenced(f"the group {self._group} went on without this reader in the stream {self._stream.name}")


class KafkaTable(Generic[T]):
    """Keeps every promise of ``Table``. A record that cannot be decoded leaves its key as it was."""

    def __init__(
        self,
        stream: Stream[T],
        *,
        connect: Callable[[], Client],
        decoder: Decoder[T],
        closing: threading.Event,
        patience: float,
    ) -> None:
        """``patience``: seconds for records that are there to arrive."""
        self._stream = stream
        self._connect = connect
        self._decoder = decoder
        self._closing = closing
        self._patience = patience
        self._turn = threading.Lock()
        self._way: Way | None = None
        self._fetched: list[Fetched] = []  # not told to anybody yet
        self._whole = False
        self.closed = False

    @property
    def place(self) -> str:
        """The offset of the next record in each partition: "0:17 1:4"."""
        resume = self._way.resume if self._way is not None else {}
        return " ".join(f"{partition}:{offset}" for partition, offset in sorted(resume.items()))

    def changes(self, timeout: float) -> Mapping[str, T | None]:
        deadline = time.monotonic() + timeout
        with self._turn:
            way = self._followed()
            self._catch_up(way)
            if self._whole:
                self._wait(way, deadline)
            changed: dict[str, T | None] = {}
            for one in self._fetched:
                key = (one.key or b"").decode(errors="replace")
                if one.value is None:
                    changed[key] = None
                for record in self._decoder.records(
                    [(f"{one.partition}:{one.offset}", one.value)] if one.value is not None else []
                ):
                    changed[key] = record
            self._fetched = []
            if not self._whole:
                self._whole = True
                return {key: record for key, record in changed.items() if record is not None}
            return changed

    def close(self) -> None:
        with self._turn:
            self.closed = True
            way, self._way = self._way, None
            if way is not None:
                way.client.close()

    def _followed(self) -> Way:
        if self.closed or self._closing.is_set():
            raise Unavailable(f"the log is closed, and with it the stream {self._stream.name}")
        if self._way is None:
            self._way = Way(self._connect())
        return self._way

    def _catch_up(self, way: Way) -> None:
        """To where the stream ended when this was called."""
        ends = way.client.ends()
        give_up = time.monotonic() + self._patience
        while any(way.resume.get(partition, 0) < end for partition, end in ends.items()):
            if self._closing.is_set():
                raise Unavailable(f"the log is closed, and with it the stream {self._stream.name}")
            if self._take(way, _SLICE):
                give_up = time.monotonic() + self._patience
            elif time.monotonic() > give_up:
                raise Unavailable(f"records of the stream {self._stream.name} do not arrive")
            else:
                way.resume.update(way.client.places())  # past what was compacted away, or is no record

    def _wait(self, way: Way, deadline: float) -> None:
        while not self._fetched and not self._closing.is_set() and (left := deadline - time.monotonic()) > 0:
            self._take(way, min(left, _SLICE))

    def _take(self, way: Way, seconds: float) -> bool:
        fetched = way.poll(_AT_ONCE, seconds) or ()
        self._fetched += fetched
        way.resume.update((one.partition, one.offset + 1) for one in fetched)
        return bool(fetched)
