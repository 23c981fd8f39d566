"""A process that may die at any moment: what it does to the store, and when."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from daemon.store import Store


class Killed(Exception):
    pass


@dataclass
class Life:
    """Of a process. At its last moment it dies, and nothing that it does has an effect any more."""

    moments: int
    dead: bool = False

    def moment(self) -> None:
        self.moments -= 1
        self.dead = self.dead or self.moments == 0
        if self.dead:
            raise Killed


@dataclass
class MortalStore:
    """Both sides of every transaction are moments: before it begins, and when it is done and nobody knows."""

    store: Store
    life: Life

    @contextmanager
    def read(self) -> Iterator[Any]:
        self.life.moment()
        with self.store.read() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Any]:
        self.life.moment()
        with self.store.write() as connection:
            yield connection
        self.life.moment()
