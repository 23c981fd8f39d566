"""Matches into stories."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.embedding import TextEmbedder, open_embedder
from consumers.ids import match_id, story_id
from consumers.model import Article, Match, Passage, Story
from consumers.passages import texts_of
from consumers.stories import Joined, Placed, StoryRule, StoryTracker
from tests.fake_events import DAY, START, Events

HOUR = 3_600.0


def told(tracker: StoryTracker, matches: Iterable[Match]) -> dict[str, Story]:
    """The stories as they stand after the matches, by id. Each is read when it is published."""
    found = {}
    for match in matches:
        placed = tracker.add(match, match.article.seen)
        if placed:
            found[placed.story.id] = placed.story
    return found


def groups(stories: dict[str, Story]) -> set[frozenset[str]]:
    return {frozenset(report.url for report in story.reports) for story in stories.values()}


def test_reports_of_one_event_are_one_story_and_another_event_is_another() -> None:
    events = Events()
    stories = told(
        StoryTracker(),
        [
            events.report("fire", "a.example"),
            events.report("strike", "a.example", at=START + 60),
            events.report("fire", "b.example", at=START + HOUR),
            events.report("strike", "c.example", at=START + 2 * HOUR),
            events.report("fire", "c.example", at=START + 3 * HOUR),
        ],
    )
    assert sorted(len(story.reports) for story in stories.values()) == [2, 3]


def test_a_story_is_named_after_the_match_that_founded_it() -> None:
    match = Events().report("fire")
    placed = StoryTracker().add(match, START)
    assert placed is not None
    story, joined = placed.story, placed.joined
    assert story.id == story_id(match.id)
    assert story.title == match.article.title
    assert joined == Joined(match=match, story_id=story.id, at=START, founded=True)


def test_reports_stand_in_the_order_of_publication() -> None:
    events = Events()
    (story,) = told(
        StoryTracker(), [events.report("fire", "late.example", at=START + 60), events.report("fire", "early.example")]
    ).values()
    assert [report.source for report in story.reports] == ["early.example", "late.example"]
    assert (story.started, story.latest) == (START, START + 60)


def test_the_same_match_again_changes_nothing() -> None:
    tracker, match = StoryTracker(), Events().report("fire")
    assert tracker.add(match, START)
    assert tracker.add(match, START + 5) is None


def test_a_newer_revision_updates_its_report_and_is_no_report_more() -> None:
    events, tracker = Events(), StoryTracker()
    match = events.report("fire", "a.example")
    tracker.add(match, START)
    tracker.add(events.report("fire", "b.example"), START)
    placed = tracker.add(events.edited(match, title="harbour fire put out"), START + HOUR)
    assert placed is not None
    story, joined = placed.story, placed.joined
    assert joined.again
    assert joined.at == START
    assert story.title == "harbour fire put out"
    assert {report.title for report in story.reports if report.source == "a.example"} == {"harbour fire put out"}
    assert len(story.reports) == 2
    assert tracker.add(match, START + 2 * HOUR) is None  # the older revision arrives once more


def test_an_edit_that_is_dated_anew_makes_no_copy_of_the_original() -> None:
    events, tracker = Events(), StoryTracker()
    wire = (
        "The jets destroyed a command post and two depots near the town, the ministry said on Wednesday morning. " * 2
    )
    match = events.report("fire", "first.example", text=wire)
    tracker.add(match, START)
    tracker.add(events.report("fire", "copier.example", at=START + 60, text=wire), START + 60)
    edited = events.edited(match, title="harbour fire put out")
    edited = replace(edited, article=replace(edited.article, published=START + HOUR))
    placed = tracker.add(edited, START + HOUR)
    assert placed is not None
    assert [(report.source, report.copy_of) for report in placed.story.reports] == [
        ("first.example", ""),
        ("copier.example", "first.example"),
    ]
    assert placed.story.latest == START + HOUR


def test_the_same_page_read_from_two_feeds_is_one_report() -> None:
    events, tracker = Events(), StoryTracker()
    first = events.report("fire", "a.example")
    second = events.report("fire", "a.example", number=1)
    same_page = replace(second, article=first.article)
    tracker.add(first, START)
    placed = tracker.add(same_page, START)
    assert placed is not None
    assert len(placed.story.reports) == 1


def test_topics_have_stories_of_their_own() -> None:
    stories = told(StoryTracker(), [Events("harbour").report("fire"), Events("weather").report("fire")])
    assert {story.topic_id for story in stories.values()} == {"harbour", "weather"}


def test_a_wire_text_on_three_sites_is_one_voice_named_after_the_first_to_publish() -> None:
    wire = " ".join(f"sentence{n} of the agency about the fire in the harbour district" for n in range(9))
    events = Events()
    own = "; ".join(f"our own reporter saw engine number {n} leave the quay in the rain" for n in range(9))
    (story,) = told(
        StoryTracker(),
        [
            events.report("fire", "second.example", at=START + 60, text=f"Share\n\n{wire}"),
            events.report("fire", "first.example", at=START, text=f"{wire}\n\nAdvertisement"),
            events.report("fire", "third.example", at=START + 90, text=wire),
            events.report("fire", "own.example", at=START + 120, text=own),
        ],
    ).values()
    assert {report.source: report.copy_of for report in story.reports} == {
        "first.example": "",
        "second.example": "first.example",
        "third.example": "first.example",
        "own.example": "",
    }
    assert story.independent == 2


@pytest.mark.parametrize("order", [("a.example", "b.example", "c.example"), ("c.example", "b.example", "a.example")])
def test_of_copies_from_one_moment_the_one_listed_first_is_the_original(order: tuple[str, ...]) -> None:
    wire = " ".join(f"sentence{n} of the agency about the fire in the harbour district" for n in range(9))
    events = Events()
    (story,) = told(StoryTracker(), [events.report("fire", source, at=START, text=wire) for source in order]).values()
    assert [(report.source, report.copy_of) for report in story.reports] == [
        ("a.example", ""),
        ("b.example", "a.example"),
        ("c.example", "a.example"),
    ]


def test_a_story_that_was_quiet_for_the_window_is_over() -> None:
    events = Events()
    stories = told(
        StoryTracker(), [events.report("fire", "a.example"), events.report("fire", "b.example", at=START + 31 * DAY)]
    )
    assert len(stories) == 2


def test_a_story_that_goes_on_is_not_over_however_long_it_lasts() -> None:
    events = Events()
    days = [events.report("siege", "a.example", at=START + day * DAY, number=day) for day in range(30)]
    assert len(told(StoryTracker(), days)) == 1


def test_an_article_edited_after_its_story_was_forgotten_is_not_news() -> None:
    events, tracker = Events(), StoryTracker()
    match = events.report("fire")
    tracker.add(match, START)
    tracker.add(events.report("strike", at=START + 40 * DAY), START + 40 * DAY)
    assert tracker.add(events.edited(match, title="harbour fire, corrected"), START + 40 * DAY) is None


def test_backfill_with_the_newest_first_groups_like_any_other_order() -> None:
    events = Events()
    carried = [events.report("fire", f"{n}.example", at=START - n * DAY / 2, backfill=True) for n in range(5)]
    tracker = StoryTracker()
    stories = {placed.story.id: placed.story for match in carried if (placed := tracker.add(match, START))}
    assert [len(story.reports) for story in stories.values()] == [5]
    assert all(story.backfill for story in stories.values())


def test_matches_without_a_vector_or_of_another_model_are_kept_too() -> None:
    events, tracker = Events(), StoryTracker()
    plain = events.report("fire", "a.example")
    other = events.report("fire", "b.example")
    wide = replace(other, vector=other.vector * 2)
    assert tracker.add(replace(plain, vector=b""), START)
    assert tracker.add(events.report("strike", "a.example"), START)
    assert tracker.add(wide, START)
    assert tracker.add(events.report("strike", "b.example"), START)


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(2, 6), st.integers(1, 5))
def test_the_order_within_an_hour_does_not_change_the_groups(rng: random.Random, events: int, sources: int) -> None:
    world = Events(noise=0.15)  # at .25, two made-up events in 300 worlds are by chance as alike as one event's reports
    matches = [
        world.report(f"event{event}", f"{source}.example", at=START + rng.uniform(0, HOUR))
        for event in range(events)
        for source in range(sources)
    ]
    in_order = groups(told(StoryTracker(), matches))
    assert in_order == {
        frozenset(f"https://{source}.example/event{event}/0" for source in range(sources)) for event in range(events)
    }
    rng.shuffle(matches)
    assert groups(told(StoryTracker(), matches)) == in_order


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=60), st.integers(0, 60))
def test_a_restart_at_any_moment_leads_to_the_same_stories(reports: list[tuple[int, int]], cut: int) -> None:
    rule, cut = StoryRule(members=3, window=2 * DAY), min(cut, len(reports))
    world = Events(noise=0.9)
    matches = [
        world.report(f"event{event}", f"{source}.example", at=START + n * HOUR * 3, number=n)
        for n, (event, source) in enumerate(reports)
    ]
    without = StoryTracker(rule)
    expected = [without.add(match, match.article.seen) for match in matches]
    first = StoryTracker(rule)
    before = [placed for match in matches[:cut] if (placed := first.add(match, match.article.seen))]
    after = StoryTracker(rule)
    after.restore(*recorded(before, since=matches[cut - 1].article.seen - rule.window))
    assert [after.add(match, match.article.seen) for match in matches[cut:]] == expected[cut:]


def test_a_topic_that_is_restored_over_what_was_remembered_of_it_leads_to_the_same_stories() -> None:
    world, tracker = Events(noise=0.9), StoryTracker()
    matches = [world.report(f"event{n % 4}", f"{n}.example", at=START + n * HOUR, number=n) for n in range(40)]
    revised = [world.edited(match, title="harbour event1, in other words") for match in matches[5:9]]
    placed = {match.id: tracker.add(match, START + 50 * HOUR) for match in [*matches, *revised]}
    stories, joined = recorded([each for each in placed.values() if each], since=START)
    later = [world.report(f"event{n % 4}", f"{n}.example", at=START + n * HOUR, number=n) for n in range(50, 70)]
    fresh = StoryTracker()
    fresh.restore(stories, joined)
    tracker.restore(stories, joined, tracker.forget(["harbour"]))
    assert [tracker.add(match, START + 70 * HOUR) for match in later] == [
        fresh.add(match, START + 70 * HOUR) for match in later
    ]


def recorded(placed: Sequence[Placed], since: float) -> tuple[list[Story], list[Joined]]:
    """What a store would bring back."""
    stories = {each.story.id: each.story for each in placed}
    warm = {each.joined.story_id for each in placed if each.joined.at >= since}
    return [stories[name] for name in sorted(warm)], [each.joined for each in placed if each.joined.story_id in warm]


def test_the_same_matches_in_the_same_order_give_the_same_stories() -> None:
    world, rng = Events(noise=1.2), random.Random(5)
    matches = [
        world.report(f"event{rng.randrange(9)}", f"{n}.example", at=START + n * 600, number=n) for n in range(120)
    ]
    assert told(StoryTracker(), matches) == told(StoryTracker(), matches)


@pytest.mark.parametrize("busy", [False, True])
def test_memory_is_bounded_over_a_month(busy: bool) -> None:
    rule = StoryRule(members=4, per_topic=200, known=1_000)
    world, tracker, rng = Events(), StoryTracker(rule), random.Random(1)
    most = 0
    for n in range(3_000):
        at = START + n * DAY / 100
        event = f"event{n // 50}" if not busy else f"event{rng.randrange(63)}"
        tracker.add(world.report(event, f"{n % 7}.example", at=at, number=n), at)
        most = max(most, len(tracker))
    assert most <= rule.per_topic
    other = Events("weather").report("storm", at=START + 90 * DAY)
    tracker.add(other, START + 90 * DAY)
    assert len(tracker) == 1


# -- with the real model

SHARED = (
    "“We saw two aircraft come in from the sea, very low, and a minute later the ground shook,” said Hana Dirani, a "
    "baker in the village, who spoke by telephone on Thursday morning."
)


def article(title: str, *paragraphs: str) -> Article:
    return Article(id=title, feed_id="feed", source="", title=title, text="\n\n".join(paragraphs), seen=START)


FLASH = article(
    "Jets bomb fuel depot near Tarsah, killing nine",
    "Warplanes destroyed a fuel depot outside the town of Tarsah before dawn on Thursday, killing at least nine people "
    "and setting fire to a row of houses, the civil defence said.",
    SHARED,
    "Rescuers were still searching the ruins at noon. The government said its air force had struck a weapons store of "
    "the northern rebels; the rebels said that only diesel for hospitals was kept there.",
)
SECOND = article(
    "Air raid on Tarsah depot: government and rebels give different accounts",
    "Share",
    "The defence ministry confirmed on Thursday that its planes had hit what it called an arms store at Tarsah, while "
    "rebel commanders accused it of having bombed the district's only supply of fuel.",
    "Advertisement",
    SHARED,
    "Civil defence workers counted nine dead, two of them children, and said that eleven houses had burned down.",
    "Sign up for our newsletter",
)
THIRD = article(
    "Nine dead as bombing of Tarsah sets houses ablaze",
    "Advertisement",
    "Families fled along the coast road on Thursday after bombs fell on a depot at the edge of Tarsah and burning fuel "
    "ran down into the nearest street. Nine bodies had been recovered by the afternoon.",
    "Hospitals in the region have asked for diesel, as the depot had fed their generators since the siege began.",
    SHARED,
    "Read more: ten questions about the northern front",
)
TALKS = article(
    "Government and northern rebels to meet for talks in neutral Valmora",
    "Delegations of the government and of the northern rebels will meet in Valmora on Sunday for the first direct "
    "talks in two years, the host country's foreign minister announced. An exchange of prisoners is on the agenda.",
    "Diplomats warned against high hopes: the last round ended after an afternoon.",
)
AID = article(
    "Convoy with flour and medicine reaches besieged northern towns",
    "Thirty lorries of the Red Crescent crossed the front line on Thursday and brought flour, blankets and insulin to "
    "four towns in the north. It was the first convoy since August. Both sides had guaranteed a pause of ten hours.",
)


@pytest.fixture(scope="module")
def embedder() -> TextEmbedder:
    return open_embedder()


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_three_sites_that_write_about_one_air_raid_are_one_story_and_its_background_is_others(
    order: tuple[int, ...], embedder: TextEmbedder
) -> None:
    raid = [(FLASH, SECOND, THIRD)[place] for place in order]
    articles = [
        replace(
            each, id=str(n), source=f"{n}.example", url=f"https://{n}.example/", published=START + 60 * n, seen=START
        )
        for n, each in enumerate([raid[0], TALKS, raid[1], AID, raid[2]])
    ]
    vectors = embedder.encode([texts_of(each).embedded[0] for each in articles])
    matches = [
        Match(
            id=match_id(each.id, "raids", 1),
            topic_id="raids",
            topic_version=1,
            article=each,
            score=0.7,
            passage=Passage(text=SHARED, number=1, of=3),
            vector=vector.astype("<f2").tobytes(),
        )
        for each, vector in zip(articles, vectors, strict=True)
    ]
    stories = told(StoryTracker(), matches)
    assert sorted(len(story.reports) for story in stories.values()) == [1, 1, 3]
    (whole,) = (story for story in stories.values() if len(story.reports) == 3)
    assert whole.independent == 1  # a paragraph in common, word for word, is one voice


FLOODS = (
    article(
        "Flood warnings issued for northern Italy",
        "Civil protection issued flood warnings for Emilia-Romagna in northern Italy on Friday after two days of heavy "
        "rain. Rivers near Bologna rose above the second alarm level, officials said.",
    ),
    article(
        "Flood warnings in Croatia and Slovenia as rivers rise",
        "Authorities in Croatia and Slovenia issued flood warnings on Friday after heavy rain. The Sava river near "
        "Zagreb and Ljubljana rose above alarm levels, officials said.",
    ),
    article(
        "Northern Italy flood: thousands evacuated near Bologna",
        "Thousands of people were evacuated near Bologna in northern Italy on Saturday as rivers burst their banks "
        "after days of heavy rain, civil protection said.",
    ),
)


def test_what_happens_alike_in_two_countries_is_two_stories_also_in_a_young_topic(embedder: TextEmbedder) -> None:
    stories = told(StoryTracker(), matches_of(FLOODS, embedder))
    assert sorted(len(story.reports) for story in stories.values()) == [1, 2]


CITIES = (
    "Porto Gdansk Leeds Turin Lyon Malmo Ghent Bilbao Graz Split Varna Cork Tampere Aarhus Bergen Kosice Riga".split()
)


def test_what_a_template_says_of_many_towns_is_a_story_for_each_and_goes_on_there(embedder: TextEmbedder) -> None:
    fires = [
        article(
            f"Factory fire in {city} kills {number + 2}",
            f"A fire at a factory in {city} killed {number + 2} people on Monday, officials said. Firefighters fought "
            f"the blaze in {city} for hours. Police in {city} said the cause was under investigation.",
        )
        for number, city in enumerate(CITIES)
    ]
    later = [
        article(
            f"Toll of factory fire in {city} rises to {number + 9}",
            f"The toll of a factory fire in {city} rose to {number + 9}, officials said on Tuesday. The mayor of "
            f"{city} spoke of a tragedy. The plant made furniture.",
        )
        for number, city in enumerate(CITIES[:5])
    ]
    stories = told(StoryTracker(), matches_of([*fires, *later], embedder))
    told_of = [
        [city for report in story.reports for city in CITIES if city in report.title] for story in stories.values()
    ]
    expected = [[city] * (2 if city in CITIES[:5] else 1) for city in CITIES]
    assert sorted(told_of) == sorted(expected)


def test_two_quakes_in_one_country_are_two_stories_also_in_a_young_topic(embedder: TextEmbedder) -> None:
    quakes = (
        article(
            "Strong earthquake hits Elazig",
            "A strong earthquake of magnitude 6.8 hit Elazig in eastern Turkey on Friday, killing at least 14 people, "
            "officials said. Rescuers searched the rubble in Elazig.",
        ),
        article(
            "Strong earthquake hits Izmir",
            "A strong earthquake of magnitude 6.9 hit Izmir in western Turkey on Saturday, killing at least 12 people, "
            "officials said. Rescuers searched collapsed buildings in Izmir.",
        ),
        article(
            "Schools in Elazig stay closed after quake",
            "Schools in Elazig will stay closed this week after the earthquake that killed 22 people, the governor of "
            "Elazig said.",
        ),
    )
    stories = told(StoryTracker(), matches_of(quakes, embedder))
    assert sorted(len(story.reports) for story in stories.values()) == [1, 2]


def test_a_word_that_names_nobody_makes_no_stranger(embedder: TextEmbedder) -> None:
    """ "The" and "On" stand with a capital in the titles of papers and books, too."""
    reports = (
        article(
            "The bridge collapse: ferry service starts",
            "A ferry carries people over the river since the bridge collapsed, as read in The Courier on Friday. Two "
            "men who were on the bridge are still missing, divers said.",
        ),
        article(
            "On collapsed bridge, inspectors found rust",
            "Inspectors had found rust on the bridge that collapsed into the river, said a column called On Watch. "
            "Divers were looking for two men who are missing.",
        ),
    )
    assert len(told(StoryTracker(), matches_of(reports, embedder))) == 1


def test_a_copy_under_a_headline_of_its_own_is_still_a_copy(embedder: TextEmbedder) -> None:
    """Also where the headline names somebody whom the other headline leaves out."""
    wire = (
        "The harbour of Porto was closed on Monday after a tanker ran aground in the mouth of the Douro, the port "
        "authority said. Divers of the navy were sent to look at the hull. Captain Ana Reis said that no oil had been "
        "seen on the water, and that Galp, which owns the cargo, had hired a tug from Vigo to pull the ship free."
    )
    copies = [article("Tanker Aground: Porto Harbour Closed", wire), article("Galp Hires Tug For Stranded Ship", wire)]
    (story,) = told(StoryTracker(), matches_of(copies, embedder)).values()
    assert [bool(report.copy_of) for report in story.reports] == [False, True]


def matches_of(articles: Sequence[Article], embedder: TextEmbedder) -> list[Match]:
    """Read one after the other, each from a site of its own."""
    texts = [texts_of(each).embedded for each in articles]
    wholes, titles = (embedder.encode([each[part] for each in texts]).astype("<f2") for part in (0, 1))
    return [
        Match(
            id=match_id(each.title, "topic", 1),
            topic_id="topic",
            topic_version=1,
            article=replace(each, source=f"{number}.example", url=f"https://{number}.example/", published=START),
            score=0.7,
            passage=Passage(text=each.text, number=1, of=1),
            vector=wholes[number].tobytes(),
            title_vector=titles[number].tobytes(),
        )
        for number, each in enumerate(articles)
    ]
