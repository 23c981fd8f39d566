"""What is on its way to Kafka: how much, and for how long. No cluster."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from daemon.errors import Unavailable
from daemon.log.kafka_writer import Row, Writer


@dataclass
class FakeSender:
    """Nothing arrives before ``arrived`` is set."""

    sent: list[bytes] = field(default_factory=list)
    settled: int = 0
    arrived: threading.Event = field(default_factory=threading.Event)
    waiting: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    stuck: bool = False
    closed: bool = False

    def deliver(self, topic: str, rows: Sequence[Row], seconds: float) -> None:
        self.sent += [key for key, _ in rows]
        self.waiting.release()
        if not self.arrived.wait(seconds):
            raise Unavailable("it does not arrive")
        self.settled += len(rows)

    def close(self) -> None:
        self.closed = True


def rows(count: int, size: int = 900) -> list[Row]:
    return [(b"%d" % number, b"x" * size) for number in range(count)]


def writing(*senders: FakeSender, room: int = 4_096, patience: float = 30.0) -> Writer:
    waiting = list(senders)
    return Writer(lambda: waiting.pop(0), room=room, patience=patience)


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_all_threads_together_have_no_more_on_their_way_than_there_is_room() -> None:
    sender = FakeSender()
    writer = writing(sender)
    threads = [in_thread(lambda: writer.write("articles", rows(3))) for _ in range(8)]
    for _ in range(4):
        assert sender.waiting.acquire(timeout=30)
    assert not sender.waiting.acquire(timeout=0.2)
    assert len(sender.sent) == 4  # of 1,000 bytes each, with what is around them
    sender.arrived.set()
    for thread in threads:
        thread.join(30)
    assert sender.settled == 24


def test_one_append_that_is_larger_than_the_room_goes_in_parts_and_in_order() -> None:
    sender = FakeSender()
    sender.arrived.set()
    writing(sender).write("articles", rows(50))
    assert sender.sent == [key for key, _ in rows(50)]


def test_a_single_record_that_is_larger_than_a_part_goes_alone() -> None:
    sender = FakeSender()
    sender.arrived.set()
    writing(sender).write("articles", rows(2, size=3_000))
    assert sender.settled == 2


def test_what_finds_no_room_in_time_is_unavailable_and_never_sent() -> None:
    sender = FakeSender()
    writer = writing(sender, patience=0.1)
    with pytest.raises(Unavailable):
        writer.write("articles", rows(1))
    sender.arrived.set()
    writer.write("articles", rows(1))  # the room that was taken is free again
    assert sender.settled == 1


def test_a_sender_that_is_stuck_is_replaced() -> None:
    stuck, fresh = FakeSender(stuck=True), FakeSender()
    fresh.arrived.set()
    writer = writing(stuck, fresh, patience=0.05)
    with pytest.raises(Unavailable):
        writer.write("articles", rows(1))
    assert stuck.closed
    writer.write("articles", rows(1))
    assert fresh.settled == 1


def test_closing_wakes_those_who_wait_for_room() -> None:
    sender = FakeSender()
    writer = writing(sender, room=1_000)
    told: list[BaseException] = []

    def write() -> None:
        with pytest.raises(Unavailable) as caught:
            writer.write("articles", rows(1))
        told.append(caught.value)

    in_thread(lambda: writer.write("articles", rows(1)))
    assert sender.waiting.acquire(timeout=30)
    waits = in_thread(write)
    writer.close()
    waits.join(30)
    assert len(told) == 1
    sender.arrived.set()
