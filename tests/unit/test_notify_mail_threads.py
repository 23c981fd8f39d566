"""Mail of one story is one conversation, whatever becomes of its headline, and no other story gets into it."""

import email
import email.policy
import re
from collections.abc import Iterable
from dataclasses import replace
from email.message import EmailMessage

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.model import Message
from consumers.notify import Tidings
from consumers.notify.mail_content import mail
from consumers.notify.mail_thread import provider_id
from tests.alert_samples import ALERT, DIGEST, ESCALATION, FLOOD, HOSTILE, MORE, NOON, NOTICE, UPDATE, messages

DOMAIN = "desk.example.org"
LONG_DOMAIN = "a-department-with-a-very-long-name.of-an-organisation-with-a-longer-one.example.org"


def parsed(message: Tidings, *, domain: str = DOMAIN) -> EmailMessage:
    made = mail(message, sender=f"alerts@{domain}", recipients=("desk@example.org",), now=NOON)
    letter = email.message_from_bytes(made.as_bytes(), policy=email.policy.default)
    assert isinstance(letter, EmailMessage)
    return letter


def told(*tidings: Message) -> list[EmailMessage]:
    """Sent one after the other to one channel, each knowing what was sent before it, as the outbox hands them over."""
    letters: list[EmailMessage] = []
    names: list[str] = []
    for each in tidings:
        following = replace(each, thread=names[0] if names else "", follows=tuple(names))
        letters.append(parsed(following))
        names.append(provider_id(following, DOMAIN))
    return letters


def conversations(letters: Iterable[EmailMessage]) -> list[set[str]]:
    """As Gmail makes them: an equal subject, "Re:" aside, and an id in common."""
    found: list[tuple[str, set[str], set[str]]] = []
    for letter in letters:
        subject = re.sub(r"^(Re: )+", "", str(letter["Subject"]))
        ids = set(str(letter["References"] or "").split()) | {str(letter["Message-ID"])}
        for known, names, members in found:
            if known == subject and names & ids:
                names |= ids
                members.add(str(letter["Message-ID"]))
                break
        else:
            found.append((subject, ids, {str(letter["Message-ID"])}))
    return [members for _, _, members in found]


def test_a_follow_up_answers_what_was_told_last_and_refers_to_all_of_it() -> None:
    first, update, escalation = told(ALERT, UPDATE, ESCALATION)
    assert first["In-Reply-To"] is None
    assert update["In-Reply-To"] == first["Message-ID"]
    assert escalation["In-Reply-To"] == update["Message-ID"]
    assert str(escalation["References"]).split()[1:] == [first["Message-ID"], update["Message-ID"]]
    assert update["Subject"] == f"Re: {first['Subject']}"
    assert escalation["Subject"] == f"Re: {first['Subject']}"


def test_a_story_stays_one_conversation_when_its_headline_changes_and_when_it_becomes_another_one() -> None:
    renamed = replace(UPDATE, headline="Toll of Homs strikes rises to 19")
    merged = replace(ESCALATION, headline="Idlib and Homs hit", story_id="m" * 32)
    assert len(conversations(told(ALERT, renamed, merged))) == 1


def test_two_stories_of_a_topic_are_two_conversations_even_under_one_headline() -> None:
    other = replace(ALERT, story_id="o" * 32, delivery_id="1" * 32)
    assert len(conversations([*told(ALERT, UPDATE), *told(other)])) == 2


def test_a_conversation_holds_though_its_first_mail_was_lost() -> None:
    _, update, escalation = told(ALERT, UPDATE, replace(ESCALATION, headline="Another headline"))
    assert len(conversations([update, escalation])) == 1


def test_a_lone_update_begins_the_conversation_that_later_ones_join() -> None:
    update, escalation = told(UPDATE, ESCALATION)
    assert update["In-Reply-To"] is None
    assert not str(update["Subject"]).startswith("Re: ")
    assert escalation["Subject"] == f"Re: {update['Subject']}"


def test_what_a_digest_told_goes_on_in_a_conversation_of_its_own() -> None:
    name = provider_id(DIGEST, DOMAIN)
    update, flood = (
        parsed(replace(message, thread=name, follows=(name,))) for message in (UPDATE, replace(FLOOD, kind="update"))
    )
    assert update["In-Reply-To"] is None
    assert name not in str(update["References"])
    assert len(conversations([parsed(DIGEST), update, flood])) == 3


def test_what_an_older_release_sent_is_answered_too() -> None:
    letter = parsed(replace(UPDATE, thread="<dddd@desk.example.org>", follows=("<dddd@desk.example.org>",)))
    assert letter["In-Reply-To"] == "<dddd@desk.example.org>"
    assert letter["Subject"] == f"Re: {parsed(ALERT)['Subject']}"


@pytest.mark.parametrize("domain", [DOMAIN, LONG_DOMAIN])
def test_ids_and_subjects_are_written_so_that_every_reader_knows_them(domain: str) -> None:
    names = tuple(f"<{number:032}@{domain}> Überschwemmung in Passau" for number in range(40))
    made = mail(
        replace(UPDATE, thread=names[0], follows=names), sender=f"a@{domain}", recipients=("b@c.org",), now=NOON
    )
    lines = made.as_bytes().decode("ascii").split("\r\n\r\n")[0].split("\r\n")
    named = {line.split(": ")[0] for line in lines if ": " in line}
    assert {"Subject", "In-Reply-To", "References", "List-Id", "Message-ID"} <= named  # none begins with a fold
    assert not [line for line in lines if "=?" in line and not line.startswith(("Subject", " =?utf-8?"))]
    letter = email.message_from_bytes(made.as_bytes(), policy=email.policy.default)
    references = str(letter["References"]).split()
    assert references[1] == f"<{0:032}@{domain}>"
    assert references[-1] == letter["In-Reply-To"] == f"<{39:032}@{domain}>"
    assert len(references) <= 21
    assert letter["Subject"] == "Re: Überschwemmung in Passau"


@pytest.mark.parametrize("length", range(40, 170, 3))
def test_a_subject_of_any_length_arrives_as_it_was_and_begins_on_its_line(length: int) -> None:
    for text in ("Homs hit by air strikes, ministry says; ", "Überschwemmungen in Passau – Donau steigt; "):
        made = mail(replace(ALERT, headline=(text * 9)[:length]), sender="a@b.org", recipients=("b@c.org",), now=NOON)
        assert made.as_bytes().decode("ascii").startswith(("Subject: Russian", "Subject: =?utf-8?"))
        letter = email.message_from_bytes(made.as_bytes(), policy=email.policy.default)
        assert letter["Subject"] == made["Subject"]


def test_only_what_is_urgent_says_so() -> None:
    assert (parsed(ESCALATION)["Importance"], parsed(ESCALATION)["X-Priority"]) == ("high", "1")
    assert parsed(replace(ALERT, severity="urgent"))["Importance"] == "high"
    for calm in (ALERT, UPDATE, DIGEST, NOTICE):
        assert parsed(calm)["Importance"] is None
        assert parsed(calm)["X-Priority"] is None


def test_mailboxes_can_tell_topics_digests_and_notices_apart() -> None:
    lists = [str(parsed(each)["List-Id"]) for each in (ALERT, DIGEST, NOTICE)]
    assert lists == [
        f"<russian-airstrikes-syria.wirewatch.{DOMAIN}>",
        f"<digest.wirewatch.{DOMAIN}>",
        f"<wirewatch.{DOMAIN}>",
    ]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(messages(), st.lists(messages(), min_size=1, max_size=3))
def test_any_story_is_one_conversation(first: Message, later: list[Message]) -> None:
    follow_ups = [replace(each, delivery_id=f"{number:032}") for number, each in enumerate(later)]
    letters = told(first, *follow_ups)
    assert len(conversations(letters)) == 1
    assert [letter["Bcc"] for letter in letters] == [None] * len(letters)


def test_a_name_that_a_channel_never_gave_adds_no_header() -> None:
    letter = parsed(
        replace(UPDATE, thread=HOSTILE, follows=(HOSTILE, "<a@b>\r\nBcc: x@y.example", "<a@b> x\r\nBcc: z"))
    )
    assert letter["Bcc"] is None
    assert letter["In-Reply-To"] == "<a@b>"


def plain_and_rich(message: Tidings) -> tuple[str, str]:
    plain, rich = (part.get_content() for part in parsed(message).iter_parts())
    return plain, re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", rich.split("</div>", 1)[1]))


def in_order(text: str, *parts: str) -> bool:
    at = -1
    for part in parts:
        at = text.find(part, at + 1)
        if at < 0:
            return False
    return True


@pytest.mark.parametrize("part", [0, 1])
def test_a_follow_up_leads_with_what_is_new_and_quotes_it(part: int) -> None:
    shown = plain_and_rich(UPDATE)[part]
    quote = "“At least 19 people were killed, the civil defence said.”"
    assert in_order(
        shown, "New: toll 12 → 19", quote, "Russian warplanes strike", "14 reports, 4 sources, 3 independent"
    )
    assert in_order(shown, "So far", "place Idlib", "actor United Nations", "site-three.example", "Why: words")
    assert shown.count("toll 12 → 19") == 1  # not again in what was known so far


@pytest.mark.parametrize("part", [0, 1])
def test_an_escalation_says_first_why_it_is_one(part: int) -> None:
    shown = plain_and_rich(ESCALATION)[part]
    assert in_order(shown, "Urgent: 3 independent sources within 30 minutes", "New: toll 12 → 19", "Russian warplanes")


@pytest.mark.parametrize("part", [0, 1])
def test_an_update_without_a_fact_names_its_report_and_quotes_what_matched(part: int) -> None:
    shown = plain_and_rich(MORE)[part]
    assert in_order(shown, "Another report: “Toll rises to 19” (site-two.example)", "Russian warplanes", "Wednesday")
