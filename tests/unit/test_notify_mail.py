"""Email, through a real SMTP server: what arrives, and what its answers mean."""

import asyncio
import email
import email.policy
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from hypothesis import HealthCheck, given, settings

from consumers.errors import Refused, Reject, Retry
from consumers.model import Digest, Message, NearMiss, TopicDigest
from consumers.notify import Unanswered
from consumers.notify.mail import MailNotifier
from consumers.notify.mail_content import mail
from tests.alert_samples import ALERT, DIGEST, ESCALATION, HOSTILE, NOON, NOTICE, TOLL, UPDATE, digests, messages

SENDER = "Wirewatch <alerts@desk.example.org>"
HEADERS = {
    "Subject",
    "From",
    "To",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "References",
    "List-Id",
    "MIME-Version",
    "Content-Type",
}
URGENT = {"Importance", "X-Priority"}


@dataclass
class PostOffice:
    """Takes mail; ``answers`` maps a recipient, "DATA" or "MAIL" to what is said instead, ``hang`` says nothing."""

    answers: dict[str, str] = field(default_factory=dict)
    letters: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    hang: bool = False
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, _: Any) -> str:  # noqa: N802
        envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, _: Any) -> str:  # noqa: N802
        if answer := self.answers.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.hang:
            await self.release.wait()
        if answer := self.answers.get("DATA"):
            return answer
        assert isinstance(envelope.content, bytes)
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(letter, EmailMessage)
        self.letters.append(letter)
        self.recipients.append(list(envelope.rcpt_tos))
        self.encrypted.append(session.ssl is not None)
        return "250 OK"


@dataclass
class Open:
    office: PostOffice
    port: int


Opening = Callable[..., Any]


@pytest.fixture
async def opened() -> AsyncIterator[Opening]:
    servers: list[asyncio.Server] = []
    offices: list[PostOffice] = []

    async def open_office(*, implicit: ssl.SSLContext | None = None, **options: Any) -> Open:
        office = PostOffice()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(office, hostname="mx.example.org", loop=loop, **options), "127.0.0.1", 0, ssl=implicit
        )
        servers.append(server)
        offices.append(office)
        return Open(office, server.sockets[0].getsockname()[1])

    yield open_office
    for office in offices:
        office.release.set()
    for server in servers:
        server.close()


def notifier(port: int, **changes: Any) -> MailNotifier:
    given_: dict[str, Any] = {
        "sender": SENDER,
        "recipients": ("desk@example.org",),
        "now": lambda: NOON,
        "security": "none",
        "timeout": 10.0,
    }
    return MailNotifier("127.0.0.1", port, **(given_ | changes))


async def test_an_alert_arrives_as_a_mail_that_reads_in_text_and_in_html(opened: Opening) -> None:
    at = await opened()
    receipt = await notifier(at.port).send(ALERT)
    (letter,) = at.office.letters
    assert letter["Subject"] == "Russian airstrikes Syria: Russian warplanes strike targets near Homs, ministry says"
    assert letter["Message-ID"] == f"<{ALERT.delivery_id}@desk.example.org>"
    assert receipt.provider_id == f"{letter['Message-ID']} {letter['Subject']}"
    assert letter["In-Reply-To"] is None
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["List-Id"] == "<russian-airstrikes-syria.wirewatch.desk.example.org>"
    assert letter.get_content_type() == "multipart/alternative"
    plain, rich = (part.get_content() for part in letter.iter_parts())
    for part in ("first report · 14:02 UTC", "3 sources, 2 independent", "copy of example.org", "Why: words Russian"):
        assert part in plain
        assert part in rich
    assert "*Russian* aircraft" in plain
    assert ">Russian</strong> aircraft" in rich


async def test_every_attempt_has_the_same_id_and_a_notice_has_one_too(opened: Opening) -> None:
    at = await opened()
    for message in (ALERT, ALERT, NOTICE):
        await notifier(at.port).send(message)
    ids = [letter["Message-ID"] for letter in at.office.letters]
    assert ids[0] == ids[1] != ids[2]
    assert at.office.letters[2]["Subject"] == "Wirewatch: channel desk is disabled"


async def test_what_a_receipt_says_is_enough_to_answer_the_mail_later(opened: Opening) -> None:
    at = await opened()
    first = (await notifier(at.port).send(ALERT)).provider_id
    renamed = replace(UPDATE, headline="Toll rises to 19", thread=first, follows=(first,))
    second = (await notifier(at.port).send(renamed)).provider_id
    await notifier(at.port).send(replace(ESCALATION, thread=first, follows=(first, second)))
    told, update, escalation = at.office.letters
    assert update["In-Reply-To"] == told["Message-ID"]
    assert escalation["In-Reply-To"] == update["Message-ID"]
    assert str(escalation["References"]).split()[1:] == [told["Message-ID"], update["Message-ID"]]
    assert {letter["Subject"] for letter in (update, escalation)} == {f"Re: {told['Subject']}"}
    assert escalation["Importance"] == "high"


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "background"}]
        assert not [name for name, _ in attrs if name.startswith("on")]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(messages())
def test_any_article_makes_a_mail_with_our_headers_our_tags_and_nothing_remote(message: Message) -> None:
    made = mail(message, sender=SENDER, recipients=("desk@example.org",), now=NOON)
    parsed = email.message_from_bytes(made.as_bytes(), policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    expected = HEADERS | (URGENT if message.severity == "urgent" or message.kind == "escalation" else set())
    assert set(parsed.keys()) - {"In-Reply-To"} == expected
    assert len(parsed.keys()) == len(set(parsed.keys()))
    assert parsed["Subject"] == made["Subject"]
    assert max(len(line) for line in made.as_bytes().splitlines()) <= 998
    plain, rich = (part.get_content() for part in parsed.iter_parts())
    assert not set(plain) & set("\x1b\x07\u202e\u2066")
    page = Page()
    page.feed(rich)
    assert not {"script", "img", "iframe", "link", "object", "form"} & set(page.tags)
    assert all(link.startswith(("http://", "https://")) for link in page.links)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(digests())
def test_any_digest_is_a_mail_that_gmail_shows_whole(digest: Digest) -> None:
    made = mail(digest, sender=SENDER, recipients=("desk@example.org",), now=NOON)
    parsed = email.message_from_bytes(made.as_bytes(), policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    assert set(parsed.keys()) == HEADERS - {"References"}
    plain, rich = (part.get_content() for part in parsed.iter_parts())
    assert not set(plain) & set("\x1b\x07\u202e\u2066")
    assert len(rich.encode()) < 102_000
    page = Page()
    page.feed(rich)
    assert not {"script", "img", "iframe", "link", "object", "form"} & set(page.tags)
    assert all(link.startswith(("http://", "https://", "#topic-")) for link in page.links)


def test_a_digest_of_a_hundred_stories_shows_them_all_and_counts_the_rest() -> None:
    crowded = replace(DIGEST, topics=(replace(DIGEST.topics[0], stories=DIGEST.topics[0].stories * 70),))
    made = mail(crowded, sender=SENDER, recipients=("desk@example.org",), now=NOON)
    plain, rich = (part.get_content() for part in made.iter_parts())
    assert len(rich.encode()) < 102_000
    assert rich.count("<h3 ") == 100
    assert plain.count("Depot near Idlib burns") == plain.count("Russian warplanes strike targets near Homs") == 50
    for part in (plain, rich):
        assert "140 stories" in part
        assert "and 40 more" in part


def test_stories_of_the_worst_length_still_make_a_mail_that_gmail_shows_whole() -> None:
    worst, url = "&" * 3000, "https://example.org/" + "&" * 1400
    facts = tuple(replace(TOLL, key=str(number), text=worst, source=worst, url=url) for number in range(9))
    story = replace(ESCALATION, headline=worst, url=url, why=worst, status=(worst,) * 3, facts=facts, topic=worst)
    miss = NearMiss(title=worst, source=worst, url=url, at=NOON)
    topic = TopicDigest(topic_id="t", topic=worst, stories=(story,) * 3, near_misses=(miss,) * 5)
    digest = replace(DIGEST, title=worst, lead=worst, page=url, topics=(topic,) * 100)
    made = mail(digest, sender=SENDER, recipients=("desk@example.org",), now=NOON)
    _, rich = (part.get_content() for part in made.iter_parts())
    assert len(rich.encode()) < 102_000
    assert "and 97 more topics" in rich


def test_a_headline_cannot_add_a_header() -> None:
    made = mail(replace(ALERT, headline=HOSTILE), sender=SENDER, recipients=("desk@example.org",), now=NOON)
    parsed = email.message_from_bytes(made.as_bytes(), policy=email.policy.default)
    assert parsed["Bcc"] is None
    assert parsed["Evil"] is None
    assert "alert(1)" in str(parsed["Subject"]) or len(str(parsed["Subject"])) > 100


def test_a_possible_repeat_says_so_in_both_parts() -> None:
    for repeated in (replace(ALERT, possible_repeat=True), replace(DIGEST, possible_repeat=True)):
        made = mail(repeated, sender=SENDER, recipients=("desk@example.org",), now=NOON)
        assert all("May be a repeat" in part.get_content() for part in made.iter_parts())


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"desk@example.org": "550 no such user"}, Refused),
        ({"desk@example.org": "451 greylisted"}, Retry),
        ({"MAIL": "550 sender not allowed"}, Refused),
        ({"MAIL": "421 too busy"}, Retry),
        ({"DATA": "554 looks like spam"}, Reject),
        ({"DATA": "452 mailbox full"}, Retry),
    ],
)
async def test_what_the_server_says_decides(opened: Opening, answers: dict[str, str], expected: type) -> None:
    at = await opened()
    at.office.answers = answers
    with pytest.raises(expected) as caught:
        await notifier(at.port).send(ALERT)
    assert isinstance(caught.value, Refused) == (expected is Refused)


async def test_a_recipient_that_is_refused_while_others_accept_is_named_in_the_receipt(opened: Opening) -> None:
    at = await opened()
    at.office.answers = {"gone@example.org": "550 no such user"}
    receipt = await notifier(at.port, recipients=("desk@example.org", "gone@example.org")).send(ALERT)
    assert "gone@example.org (550 no such user)" in receipt.note
    assert at.office.recipients == [["desk@example.org"]]


async def test_recipients_that_accepted_are_left_alone_when_others_are_put_off(opened: Opening) -> None:
    at = await opened()
    at.office.answers = {"slow@example.org": "451 later"}
    desk = notifier(at.port, recipients=("desk@example.org", "slow@example.org"))
    with pytest.raises(Retry):
        await desk.send(ALERT)
    at.office.answers = {}
    await desk.send(ALERT)
    assert at.office.recipients == [["desk@example.org"], ["slow@example.org"]]


async def test_a_server_that_hangs_is_given_a_deadline(opened: Opening) -> None:
    at = await opened()
    at.office.hang = True
    with pytest.raises(Unanswered):
        await notifier(at.port, timeout=2.0).send(ALERT)


async def test_no_server_means_try_again() -> None:
    with pytest.raises(Retry) as caught:
        await notifier(1).send(ALERT)
    assert not isinstance(caught.value, Unanswered)


# -- with TLS


@dataclass
class Certificate:
    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder: Path = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    subject = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*made.split(), *subject], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    return Certificate(server, ssl.create_default_context(cafile=str(cert)))


def only(name: bytes, password: bytes) -> Callable[..., AuthResult]:
    def check(server: object, session: object, envelope: object, mechanism: str, data: object) -> AuthResult:
        known = isinstance(data, LoginPassword) and (data.login, data.password) == (name, password)
        return AuthResult(success=known, handled=known)

    return check


async def test_starttls_with_a_login(opened: Opening, certificate: Certificate) -> None:
    at = await opened(
        tls_context=certificate.server, require_starttls=True, authenticator=only(b"me", b"secret"), auth_required=True
    )
    desk = notifier(at.port, security="starttls", tls=certificate.client, username="me", password="secret")
    await desk.send(ALERT)
    assert at.office.encrypted == [True]


async def test_a_wrong_password_is_refused_and_never_named(opened: Opening, certificate: Certificate) -> None:
    at = await opened(tls_context=certificate.server, authenticator=only(b"me", b"secret"), auth_required=True)
    desk = notifier(at.port, security="starttls", tls=certificate.client, username="me", password="hunter2")
    with pytest.raises(Refused) as caught:
        await desk.send(ALERT)
    assert "hunter2" not in str(caught.value) + repr(desk)


async def test_tls_from_the_first_byte(opened: Opening, certificate: Certificate) -> None:
    at = await opened(implicit=certificate.server)
    await notifier(at.port, security="tls", tls=certificate.client).send(ALERT)
    assert len(at.office.letters) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_that_nobody_vouches_for_is_refused(
    opened: Opening, certificate: Certificate, security: str
) -> None:
    implicit = certificate.server if security == "tls" else None
    at = await opened(implicit=implicit, tls_context=certificate.server)
    with pytest.raises(Refused, match="certificate"):
        await notifier(at.port, security=security).send(ALERT)


async def test_a_server_without_starttls_never_gets_the_mail_in_the_clear(opened: Opening) -> None:
    at = await opened()
    with pytest.raises(Refused):
        await notifier(at.port, security="starttls").send(ALERT)
    assert at.office.letters == []


def test_an_address_that_is_none_is_found_before_anything_is_sent() -> None:
    with pytest.raises(ValueError, match=r"alerts@example\.org"):
        notifier(25, sender="nobody")


@pytest.mark.parametrize(
    "address",
    ["a@b.example\r\nBcc: x@y.example", "a@b.example, c@d.example", "a@b\u00fccher.example", "a@b.example\n", " "],
)
def test_an_address_that_would_break_or_lose_a_mail_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"address|xn--"):
        notifier(25, sender=address)
