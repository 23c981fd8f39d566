"""News that nobody reported, for the benchmarks: ordinary articles, and alarming ones that are a story each."""

import random
import time
from collections.abc import Sequence

from tests.scene import Item

QUERIES = (
    "earthquake",
    "ferry or ship accident",
    "volcanic eruption",
    "factory fire",
    "measles outbreak",
    "train derailment",
    "bank robbery",
    "flood warning",
)
TOPICS = [{"id": query.replace(" ", "-"), "query": query} for query in QUERIES]

WORDS = (
    "council budget harvest museum tender storm pension stadium chip vaccine strike court ferry orchard merger "
    "satellite glacier opera railway archive tariff startup census reactor bridge festival trawler auction senate "
    "cable novel drought"
).split()
EVENTS = (
    ("Earthquake of magnitude {n} shakes {town}", "The quake was felt across {town}. {who} saw {m} damaged houses."),
    ("Ferry runs aground off {town}, {m} rescued", "The ship hit rocks near {town}. {who} spoke of a steering fault."),
    ("Volcano near {town} erupts", "Ash rose {n} kilometres over {town}. The eruption closed the airport, {who} said."),
    ("Fire destroys factory in {town}", "The factory in {town} burned for {n} hours. {who} saved {m} workers."),
    ("Measles outbreak in {town}: {m} cases", "Schools in {town} stay closed. {who} called the outbreak serious."),
    ("Train derails outside {town}", "The night train left the rails {n} km from {town}. {who} helped {m} people out."),
    ("Armed robbers raid bank in {town}", "The robbers took {m} million from the bank in {town}, {who} said."),
    ("Flood warning for {town} as river rises", "The river at {town} rose {n} m. {who} told {m} families to go."),
)  # fmt: skip
SYLLABLES = (
    "al ber cas dim er fon gru hau iva jan kow lin mor nov ol pet quin ros san tak ued vas web xen yil zim".split()
)
TOWNS = (
    "Porto Lyon Gdansk Split Tartu Bergen Cork Murcia Bari Linz Graz Brno Varna Iasi Patras Turku Aarhus Malmo Ghent "
    "Nancy Leeds Derby Salem Tampa Boise Fargo Omaha Tulsa Reno Provo Quito Cusco Salta Arica Belem Natal Accra Kumasi "
    "Lagos"
).split()
_BETWEEN = 6 * 3_600.0  # seconds from one event to the next, which is of another kind
_EVENTS = 1_200
_LONG_AGO = _EVENTS * _BETWEEN


def words(rng: random.Random, count: int) -> Sequence[str]:
    return rng.choices(WORDS, k=count)


def surname(rng: random.Random) -> str:
    return "".join(rng.choices(SYLLABLES, k=3)).capitalize()


def ordinary(number: int, rng: random.Random) -> Item:
    """A title and sixty words about nothing in particular."""
    text = " ".join(words(rng, 60)).capitalize() + "."
    return Item(f"n{number}", " ".join(rng.sample(WORDS, 6)).capitalize(), text, f"site-{number % 7}.example")


def alarming(number: int, rng: random.Random) -> Item:
    """One event of one kind in one town; ``number`` names it, whoever reports it.

    Those of a kind happen days apart, or they would be one story: what is said of them is much the same.
    """
    told = random.Random(number)
    title, text = EVENTS[number % len(EVENTS)]
    town = TOWNS[number % len(TOWNS)]
    values = {"town": town, "n": told.randint(3, 9), "m": told.randint(12, 90), "who": surname(told)}
    more = f"It was a {told.choice(WORDS)} for {surname(told)} and a {told.choice(WORDS)} for {surname(told)}."
    body = f"{text.format(**values)} {more} {' '.join(words(rng, 20)).capitalize()}."
    at = time.time() - _LONG_AGO + number % _EVENTS * _BETWEEN
    return Item(f"a{number}", title.format(**values), body, f"{town.lower()}.example", at)
