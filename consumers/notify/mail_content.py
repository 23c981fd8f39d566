"""Tidings as a mail: headers that nothing from outside can break, a text and an HTML part, no remote content."""

from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from consumers.model import Digest, Message
from consumers.notify import Tidings, wording
from consumers.notify.mail_html import digest_html, html, words_html
from consumers.notify.mail_text import digest_text, text
from consumers.notify.mail_thread import domain_of, header_factory, list_id, message_id, thread
from consumers.notify.rendered import Rendered
from consumers.notify.wording_digest import Detail

_CLIPPED = 95_000  # bytes of HTML; Gmail shows no more than 102 kB of a message and hides the rest behind a link
_DETAILS = (
    Detail(stories=100, facts=4, quote=220),
    Detail(stories=100, facts=2, quote=0),
    Detail(stories=100, facts=1, quote=0),
    Detail(stories=50, facts=1, quote=0),
    Detail(stories=20, facts=1, quote=0, near_misses=10),
    Detail(stories=3, facts=0, quote=0, near_misses=3),  # of the longest addresses and headlines there are
)


def mail(
    message: Tidings, *, sender: str, recipients: Sequence[str], now: float, words: Rendered | None = None
) -> EmailMessage:
    """Every attempt has the same ``Message-ID``; a follow-up answers what was told of its story before.

    ``words`` stand for our own, and their subject for the one that a conversation begins with.
    """
    words = words or Rendered()
    domain = domain_of(sender)
    place = thread(message, domain, words.subject)
    made = EmailMessage(policy=SMTP.clone(cte_type="7bit", header_factory=header_factory()))
    made["Subject"] = place.subject
    made["From"] = sender
    made["To"] = ", ".join(recipients)
    made["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    made["Message-ID"] = message_id(message, domain)
    if place.reply_to:
        made["In-Reply-To"] = place.reply_to
    if place.references:
        made["References"] = " ".join(place.references)
    if isinstance(message, Message) and wording.urgent(message):
        made["Importance"] = "high"
        made["X-Priority"] = "1"  # the same, for older readers
    made["List-Id"] = list_id(message, domain)
    made["Auto-Submitted"] = "auto-generated"
    made["X-Auto-Response-Suppress"] = "All"  # what Exchange reads instead of the line above
    plain, rich = _parts(message, place.subject, now, words.text)
    made.set_content(plain, cte="quoted-printable")
    made.add_alternative(rich, subtype="html", cte="quoted-printable")
    return made


def _parts(message: Tidings, subject: str, now: float, words: str) -> tuple[str, str]:
    if words:
        return f"{words}\n", words_html(words, subject)
    if not isinstance(message, Digest):
        return text(message, now), html(message, subject, now)
    for detail in _DETAILS:
        rich = digest_html(message, subject, now, detail)
        if len(rich.encode()) <= _CLIPPED:
            break
    return digest_text(message, now, detail), rich
