"""News that nobody reported, for the benchmarks: ordinary articles, and alarming ones that are a story each."""

import random
from collections.abc import Sequence

from tests.scene import Item

TOPIC = {"id": "explosions", "query": "explosion destroys building"}

WORDS = (
    "council budget harvest museum tender storm pension stadium chip vaccine strike court ferry orchard merger "
    "satellite glacier opera railway archive tariff startup census reactor bridge festival trawler auction senate "
    "cable novel drought"
).split()
HAZARDS = (
    "volcano dam refinery tunnel mine warehouse airport stadium hotel school theatre port factory laboratory cathedral "
    "hospital market brewery barracks embassy library prison shipyard sawmill bakery monastery observatory"
).split()
TOWNS = (
    "Porto Lyon Gdansk Split Tartu Bergen Cork Murcia Bari Linz Graz Brno Varna Iasi Patras Turku Aarhus Malmo Ghent "
    "Nancy Leeds Derby Salem Tampa Boise Fargo Omaha Tulsa Reno Provo Quito Cusco Salta Arica Belem Natal Accra Kumasi "
    "Lagos Kano"
).split()


def words(rng: random.Random, count: int) -> Sequence[str]:
    return rng.choices(WORDS, k=count)


def ordinary(number: int, rng: random.Random) -> Item:
    """A title and sixty words about nothing in particular."""
    text = " ".join(words(rng, 60)).capitalize() + "."
    return Item(f"n{number}", " ".join(rng.sample(WORDS, 6)).capitalize(), text, f"site-{number % 7}.example")


def alarming(number: int, rng: random.Random) -> Item:
    """The place and the building name the event: 1,080 of them before one comes again."""
    town, hazard = TOWNS[number % len(TOWNS)], HAZARDS[number % len(HAZARDS)]
    text = (
        f"An explosion destroyed the {hazard} of {town} {number % 12 + 1} minutes after the doors opened. Rescue teams "
        f"searched the {hazard} until dawn. The mayor of {town} spoke of the worst explosion since records began. "
        + " ".join(words(rng, 25))
        + "."
    )
    return Item(
        f"a{number}", f"Explosion at {hazard} in {town} kills {number % 40 + 2}", text, f"{town.lower()}.example"
    )
