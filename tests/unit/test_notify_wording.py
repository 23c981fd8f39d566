"""What is new, what it adds up to, and a digest, in the words that every channel shares."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.model import FactKind, Message, TopicDigest
from consumers.notify import console, mail_html, mail_text, slack_digest, wording, wording_digest
from consumers.notify.wording_digest import Detail, shares
from tests.alert_samples import (
    ACTOR,
    ALERT,
    DIGEST,
    ESCALATION,
    FLOOD,
    HOSTILE,
    MERGED,
    MORE,
    NOON,
    NOTICE,
    PLACE,
    TAKEN_BACK,
    TOLL,
    UPDATE,
    messages,
)

LATER = NOON + 100 * 60


def test_news_is_what_is_new_and_who_says_so() -> None:
    assert wording.news(UPDATE) == ["New: toll 12 → 19 (site-two.example)"]
    assert wording.news(replace(UPDATE, facts=(PLACE, TOLL))) == [
        "New: place Idlib (site-four.example)",
        "New: toll 12 → 19 (site-two.example)",
    ]
    assert wording.news(ALERT) == []


def test_a_sentence_that_says_several_facts_is_quoted_once() -> None:
    beside = replace(PLACE, quote=TOLL.quote, url=TOLL.url, source=TOLL.source)
    assert wording.quotes((beside, TOLL, ACTOR)) == ["", f"“{TOLL.quote}”", f"“{ACTOR.quote}”"]
    assert wording.quotes((TOLL, replace(beside, url=PLACE.url))) == [f"“{TOLL.quote}”"] * 2  # two sites say it
    assert wording.quotes(()) == []


def test_a_headline_that_is_the_fact_itself_is_not_quoted_below_it() -> None:
    stated = replace(PLACE, kind="statement", text="Ministry denies strike", quote="Ministry denies\nstrike")
    assert wording.quotes((stated, TOLL)) == ["", f"“{TOLL.quote}”"]
    assert wording.quotes((replace(stated, quote="Ministry denies strike, again"),)) != [""]


def test_an_escalation_is_urgent_and_says_why() -> None:
    assert wording.news(ESCALATION)[0] == "Urgent: 3 independent sources within 30 minutes"
    assert wording.moment(ESCALATION, LATER) == "urgent · 15:13 UTC"
    assert wording.moment(replace(ALERT, severity="urgent"), LATER) == "first report · urgent · 14:02 UTC"


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("correction", "toll 19 → 12", "Correction: toll 19 → 12 (example.org)"),
        ("correction", "Correction: toll 19 → 12", "Correction: toll 19 → 12 (example.org)"),
        ("retraction", "retraction", "Retraction: retraction (example.org)"),
        ("reversal", "ministry now denies it", "Reversal: ministry now denies it (example.org)"),
        ("changed", "toll 12 → 19", "New: toll 12 → 19 (example.org)"),
        ("place", " ", "New: place (example.org)"),
    ],
)
def test_what_takes_something_back_is_told_as_that(kind: FactKind, text: str, expected: str) -> None:
    assert wording.added(replace(TOLL, kind=kind, text=text, source="example.org")) == expected


def test_a_line_of_the_timeline_has_its_time_and_source() -> None:
    assert wording.fact_line(TOLL, LATER) == "15:10 toll 12 → 19 (site-two.example)"
    assert wording.fact_line(TAKEN_BACK, LATER) == "15:37 correction: twenty strikes → twelve strikes (example.org)"


def test_an_update_that_adds_no_fact_names_its_report() -> None:
    assert wording.news(MORE) == ["Another report: “Toll rises to 19” (site-two.example)"]
    assert wording.status_lines(MORE) == []  # it is said once
    elsewhere = replace(MORE, url="")
    assert wording.news(elsewhere) == ["Another report: “Toll rises to 19” (site-two.example)"]  # the newest


def test_many_facts_are_cut_and_counted() -> None:
    facts = tuple(replace(TOLL, key=str(number)) for number in range(20))
    assert wording.news(replace(UPDATE, facts=facts))[-1] == f"and {20 - wording.MOST_FACTS} more"


def test_the_counter_says_how_much_there_is_by_now_and_nothing_twice() -> None:
    assert wording.counter(UPDATE, LATER) == "14 reports, 4 sources, 3 independent · latest 15:40 UTC"
    assert wording.counter(FLOOD, LATER) == "1 source · latest 13:02 UTC"
    assert wording.counter(ALERT, LATER) == "3 sources, 2 independent"
    assert wording.counter(replace(ALERT, reports=(), independent=0), LATER) == ""


def test_what_was_known_before_is_the_newest_first_without_the_news() -> None:
    assert wording.earlier(UPDATE) == (PLACE, ACTOR)
    beside = replace(PLACE, key="less", kind="number", text="wounded 40")  # of the same report, and less important
    assert wording.earlier(replace(UPDATE, timeline=(ACTOR, PLACE, beside, TOLL))) == (PLACE, beside, ACTOR)


def test_what_became_of_a_story_is_said_in_sentences() -> None:
    assert wording.status_lines(MERGED) == [
        "Now part of the story “Strikes on Homs kill 19”",
        "Muted by Ana until 18:00 UTC",
    ]
    waited = replace(ALERT, why="a second independent source confirms it")
    assert wording.status_lines(waited) == ["A second independent source confirms it"]
    assert wording.status_lines(UPDATE) == []
    assert wording.status_lines(ESCALATION) == []  # its news say it


def test_everything_has_a_sentence() -> None:
    assert wording.sentence(DIGEST) == "Digest of 07:00 Europe/Paris · 3 stories"
    assert wording.sentence(replace(DIGEST, title=" ", topics=())) == "Digest · nothing new"
    assert wording.sentence(UPDATE) == wording.sentence(ALERT)
    assert wording.sentence(NOTICE) == "Wirewatch: channel desk is disabled"


@given(messages())
def test_every_line_of_a_hostile_story_is_one_readable_line(message: Message) -> None:
    lines = [*wording.news(message), *wording.status_lines(message), wording.counter(message, NOON)]
    lines += [wording.fact_line(fact, NOON) for fact in message.timeline]
    for line in lines:
        assert line == wording.one_line(line, 600)


# -- digests


def test_a_spike_has_no_stories_and_is_not_called_nothing_new() -> None:
    spike = replace(DIGEST, reason="spike", title="Spike: floods", lead="41 articles in an hour.", topics=())
    assert wording.sentence(spike) == "Spike: floods"
    shown = {
        "console": console.render(spike, now=LATER, width=90, colour=False),
        "mail": mail_text.digest_text(spike, LATER, Detail()),
        "mail as HTML": mail_html.digest_html(spike, "Spike: floods", LATER, Detail()),
        "Slack": str(slack_digest.blocks(spike, LATER)),
    }
    assert [name for name, text in shown.items() if "nothing new" in text] == []
    assert shown["console"].startswith("Spike: floods · 15:42 UTC\n41 articles in an hour.\n")
    assert shown["mail"].startswith("Spike: floods\n15:42 UTC\n41 articles in an hour.\n")
    assert "*Spike: floods*\\n41 articles in an hour." in shown["Slack"]


def test_a_digest_adds_up() -> None:
    assert wording_digest.tally(DIGEST) == "3 stories in 2 topics, 1 urgent"
    near = replace(DIGEST, topics=DIGEST.topics[2:])
    assert wording_digest.tally(near) == "nothing new"
    assert wording.sentence(near) == "Digest of 07:00 Europe/Paris · nothing new"
    assert [(each.topic, each.counts) for each in wording_digest.sections(DIGEST, Detail())] == [
        ("Russian airstrikes Syria", "2 stories"),
        ("River floods in Europe", "1 story"),
    ]


def test_a_story_of_a_digest_tells_its_newest_facts_first() -> None:
    story = replace(UPDATE, facts=(TOLL, TAKEN_BACK), timeline=(ACTOR, PLACE, TOLL, TAKEN_BACK))
    assert wording_digest.facts(story, 3) == ([TAKEN_BACK, TOLL, PLACE], "and 1 more")
    assert wording_digest.byline(story, LATER) == "update · 14 reports, 4 sources, 3 independent · latest 15:40 UTC"


def test_near_misses_come_last_by_topic() -> None:
    found = [
        (near.topic, [miss.title for miss in near.misses]) for near in wording_digest.near_misses(DIGEST, Detail())
    ]
    assert found == [
        ("Russian airstrikes Syria", ["Moscow denies new deployment"]),
        ("Grain exports from Odesa", ["Wheat futures fall"]),
    ]


def test_a_loud_topic_leaves_room_for_the_others_and_says_what_it_leaves_out() -> None:
    loud = TopicDigest(topic_id="loud", topic="Loud", stories=(ALERT,) * 140)
    digest = replace(DIGEST, topics=(loud, *DIGEST.topics))
    shown = wording_digest.sections(digest, Detail(stories=100))
    assert [(len(each.stories), each.more) for each in shown] == [(97, "and 43 more"), (2, ""), (1, "")]
    assert wording_digest.left_out(digest, shown) == ""


def test_topics_that_find_no_room_are_counted() -> None:
    topics = tuple(TopicDigest(topic_id=str(number), topic=f"T{number}", stories=(ALERT,)) for number in range(30))
    shown = wording_digest.sections(replace(DIGEST, topics=topics), Detail(stories=20))
    assert len(shown) == 20
    assert wording_digest.left_out(replace(DIGEST, topics=topics), shown) == "and 10 more topics"


@given(st.lists(st.integers(0, 50), max_size=12), st.integers(0, 100))
def test_room_is_shared_out_whole_and_nobody_gets_more_for_being_larger(sizes: list[int], most: int) -> None:
    granted = shares(sizes, most)
    assert sum(granted) == min(most, sum(sizes))
    assert all(0 <= share <= size for share, size in zip(granted, sizes, strict=True))
    short = [share for share, size in zip(granted, sizes, strict=True) if share < size]
    assert not short or max(granted) <= min(short) + 1


def test_a_hostile_digest_has_a_harmless_title() -> None:
    hostile = replace(DIGEST, title=HOSTILE, lead=HOSTILE)
    for line in (wording_digest.title(hostile), wording_digest.lead(hostile), wording.sentence(hostile)):
        assert line == wording.one_line(line, 500)
