"""Stores of both kinds for every test that asks for one."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from daemon.store import Store
from tests.servers.postgres import PostgresServer
from tests.stores import KINDS, Place, Places, PostgresPlaces, sqlite_places


@pytest.fixture(scope="session")
def postgres_places(postgres: PostgresServer) -> PostgresPlaces:
    return PostgresPlaces(postgres)


@pytest.fixture(params=KINDS)
def places(request: pytest.FixtureRequest) -> Iterator[Places]:
    """Makes as many stores as the test likes, all of one kind."""
    if request.param == "sqlite":
        yield sqlite_places
        return
    postgres_places: PostgresPlaces = request.getfixturevalue("postgres_places")
    yield postgres_places
    postgres_places.give_back()


@pytest.fixture
def place(places: Places, tmp_path: Path) -> Place:
    """Where `store` is, to open it a second time."""
    return places(tmp_path)


@pytest.fixture
def store(place: Place) -> Iterator[Store]:
    with closing(place.open()) as store:
        yield store
