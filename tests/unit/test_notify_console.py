"""The console, and the words that every channel shares."""

import re
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.errors import Retry
from consumers.model import Digest, Message, Passage
from consumers.notify import wording
from consumers.notify.console import ConsoleNotifier, render
from tests.alert_samples import ALERT, DIGEST, ESCALATION, HOSTILE, NOON, NOTICE, digests, marks, messages

LATER = NOON + 100 * 60
EXPECTED = """\
Russian airstrikes Syria · first report · 14:02 UTC
Russian warplanes strike targets near Homs, ministry says  (3 sources, 2 independent)
  example.org 13:51 · site-two.example 13:57 · site-three.example 14:01 (copy of example.org)
  “… Russian aircraft carried out twenty strikes on Wednesday in Homs province, the defence ministry
  said, adding that depots and command posts were destroyed. …”
Why: words Russian, air strikes, Homs; passage 2 of 9; clearly above the line
open https://example.org/news/2025/11/21/homs?id=4&lang=en
"""
EXPECTED_ESCALATION = """\
Russian airstrikes Syria · urgent · 15:13 UTC
Urgent: 3 independent sources within 30 minutes
New: toll 12 → 19 (site-two.example)
  “At least 19 people were killed, the civil defence said.”
Russian warplanes strike targets near Homs, ministry says
  14 reports, 4 sources, 3 independent · latest 15:40 UTC
  site-two.example 15:10 · site-four.example 14:42 · site-three.example 14:01 (copy of example.org)
  · site-two.example 13:57 · example.org 13:51
  So far: 14:42 place Idlib (site-four.example) · 14:24 actor United Nations (example.org)
Why: words Russian, air strikes, Homs; passage 2 of 9; clearly above the line
open https://site-two.example/toll
"""
EXPECTED_DIGEST = """\
Digest of 07:00 Europe/Paris · 3 stories in 2 topics, 1 urgent · 15:42 UTC
What was reported since yesterday, 07:00.

Russian airstrikes Syria · 2 stories
  Russian warplanes strike targets near Homs, ministry says
    update · 14 reports, 4 sources, 3 independent · latest 15:40 UTC
    15:37 correction: twenty strikes → twelve strikes (example.org)
    15:10 toll 12 → 19 (site-two.example)
    14:42 place Idlib (site-four.example)
    and 1 more
    open https://site-two.example/toll
  Depot near Idlib burns
    Urgent: 3 independent sources within 30 minutes
    14 reports, 4 sources, 3 independent · latest 15:40 UTC
    15:10 toll 12 → 19 (site-two.example)
    14:42 place Idlib (site-four.example)
    14:24 actor United Nations (example.org)
    open https://site-two.example/toll

River floods in Europe · 1 story
  Thousands leave their homes as the Danube rises to a record in Passau
    first report · 1 source · latest 13:02 UTC
    open https://river.example/danube

Just under the line
  Russian airstrikes Syria
    Moscow denies new deployment (site-five.example 14:12)
  Grain exports from Odesa
    Wheat futures fall (trade.example 14:02)
page https://wirewatch.example/digests/1
"""
OURS = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;[^\x1b]*\x1b\\")  # colours and links as rich writes them
UNWANTED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def test_an_alert_reads_as_people_expect_it() -> None:
    lines = [line.rstrip() for line in render(ALERT, now=NOON, width=100).splitlines()]
    assert "\n".join(lines) + "\n" == EXPECTED


@pytest.mark.parametrize(("told", "expected"), [(ESCALATION, EXPECTED_ESCALATION), (DIGEST, EXPECTED_DIGEST)])
def test_follow_ups_lead_with_what_is_new_and_digests_go_by_topic_and_story(
    told: Message | Digest, expected: str
) -> None:
    for colour in (False, True):
        shown = OURS.sub("", render(told, now=LATER, width=100, colour=colour))
        assert "\n".join(line.rstrip() for line in shown.splitlines()) + "\n" == expected


def test_in_colour_the_match_stands_out_and_the_link_can_be_opened() -> None:
    shown = render(ALERT, now=NOON, width=100, colour=True)
    assert "\x1b[1;33mRussian\x1b[0m" in shown
    assert "]8;" in shown
    plain = [line.rstrip() for line in OURS.sub("", shown).splitlines()]
    assert plain == EXPECTED.splitlines()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.one_of(messages(), digests()))
def test_no_article_can_command_the_terminal(message: Message | Digest) -> None:
    assert not UNWANTED.search(render(message, now=NOON, width=80))
    assert not UNWANTED.search(OURS.sub("", render(message, now=NOON, width=80, colour=True)))


def test_markup_in_an_article_is_only_text() -> None:
    assert "[red]no[/red]" in render(replace(ALERT, headline="[red]no[/red] :fire:"), now=NOON, width=100)


async def test_each_message_is_one_write() -> None:
    written: list[str] = []
    console = ConsoleNotifier(written.append, now=lambda: NOON, width=lambda: 80)
    await console.send(ALERT)
    await console.send(NOTICE)
    assert len(written) == 2
    assert written[1].startswith("Wirewatch · channel desk is disabled\n  It is archived.")


async def test_a_console_that_has_gone_away_is_tried_again() -> None:
    def closed(_: str) -> None:
        raise BrokenPipeError

    with pytest.raises(Retry):
        await ConsoleNotifier(closed, now=lambda: NOON, width=lambda: 80).send(ALERT)


def test_a_delayed_alert_names_its_day() -> None:
    assert wording.moment(ALERT, NOON + 86400) == "first report · 21 Nov 14:02 UTC"


def test_one_source_and_independent_sources_are_counted_without_clutter() -> None:
    assert wording.tally(replace(ALERT, reports=ALERT.reports[:1], independent=1)) == "(1 source)"
    assert wording.tally(replace(ALERT, reports=ALERT.reports[:2], independent=2)) == "(2 sources)"


def test_many_sources_are_cut_and_counted() -> None:
    listed, more = wording.listed(ALERT.reports * 10)
    assert len(listed) == wording.MOST_SOURCES
    assert more == f"and {30 - wording.MOST_SOURCES} more"


def quoted(passage: Passage, limit: int = wording.LONGEST_QUOTE) -> str:
    return "".join(f"[{span.text}]" if span.marked else span.text for span in wording.quotation(passage, limit))


def test_marks_are_widened_to_whole_words() -> None:
    assert quoted(Passage(text="Airstrikes hit Aleppo", number=1, of=1, marks=((3, 9),))) == "“[Airstrikes] hit Aleppo”"


def test_marks_that_overlap_touch_or_lie_outside_are_harmless() -> None:
    passage = Passage(text="one two three", number=1, of=1, marks=((0, 3), (2, 7), (5, 99), (50, 60), (7, 3)))
    assert re.sub(r"[\[\]]", "", quoted(passage)) == "“one two three”"


def test_a_long_passage_is_cut_around_its_first_mark() -> None:
    text = "word " * 400 + "Homs was hit. " + "word " * 400
    at = text.index("Homs")
    shown = quoted(Passage(text=text, number=1, of=1, marks=((at, at + 4),)), 200)
    assert shown.startswith("“… word")
    assert shown.endswith("word …”")
    assert "[Homs] was hit." in shown
    assert len(shown) < 220


def test_without_a_passage_nothing_is_quoted() -> None:
    assert wording.quotation(Passage(text="  ", number=1, of=1, marks=marks("Homs"))) == ()


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://", "//example.org", "ftp://x/", "https://[bad", ""])
def test_only_web_addresses_are_links(url: str) -> None:
    assert wording.safe_url(url) == ""


def test_a_web_address_keeps_its_meaning_and_loses_its_teeth() -> None:
    assert wording.safe_url("https://x.org/a?b=1&c=%20#d") == "https://x.org/a?b=1&c=%20#d"
    assert wording.safe_url('https://x.org/"><|\x1b ü') == "https://x.org/%22%3E%3C%7C%20%20%C3%BC"


def test_readable_text_keeps_every_character_in_its_place() -> None:
    assert len(wording.readable(HOSTILE)) == len(HOSTILE)
