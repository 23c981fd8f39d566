"""An alert as a mail: headers that nothing from outside can break, a text and an HTML part, no remote content."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from consumers.model import Message, Notice
from consumers.notify import wording

if TYPE_CHECKING:
    from jinja2 import Template

SUBJECT = 160  # characters
_WRAP = 76


def mail(message: Message | Notice, *, sender: str, recipients: Sequence[str], now: float) -> EmailMessage:
    """``Message-ID`` comes from the delivery's id alone, so every attempt has the same one."""
    domain = domain_of(sender)
    made = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    made["Subject"] = subject(message)
    made["From"] = sender
    made["To"] = ", ".join(recipients)
    made["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    made["Message-ID"] = message_id(message.delivery_id, domain)
    made["Auto-Submitted"] = "auto-generated"
    made["X-Auto-Response-Suppress"] = "All"  # what Exchange reads instead of the line above
    if isinstance(message, Message):
        made["References"] = f"<{_token(message.story_id)}.story@{domain}>"  # one thread a story
        made["List-Id"] = f"<{_token(message.topic_id)}.wirewatch.{domain}>"
    else:
        made["List-Id"] = f"<wirewatch.{domain}>"
    made.set_content(text(message, now), cte="quoted-printable")
    made.add_alternative(html(message, now), subtype="html", cte="quoted-printable")
    return made


def subject(message: Message | Notice) -> str:
    """ "topic: headline". An "=?" from outside is broken up: it would be read as an encoded word."""
    return wording.cut(wording.sentence(message), SUBJECT).replace("=?", "= ?")


def message_id(delivery_id: str, domain: str) -> str:
    return f"<{_token(delivery_id)}@{domain}>"


def domain_of(sender: str) -> str:
    """Raises ``ValueError`` where ``sender`` is no address."""
    address = _address(sender)
    if address is None or not address.username or not address.domain:
        raise ValueError(f'"{sender}" is no address: one looks like alerts@example.org')
    if not address.domain.isascii():
        raise ValueError(f'"{sender}": write the domain as mail servers know it, as in xn--bcher-kva.example')
    return address.domain


def _address(sender: str) -> Address | None:
    """Of exactly one mailbox, written on one line."""
    from email.utils import getaddresses

    found = [address for _, address in getaddresses([sender])]
    if len(found) != 1 or not found[0] or not sender.isprintable():
        return None
    try:
        return Address(addr_spec=found[0])
    except (ValueError, HeaderParseError):
        return None


def text(message: Message | Notice, now: float) -> str:
    lines = _notice_lines(message) if isinstance(message, Notice) else _alert_lines(message, now)
    return "\n".join(lines) + "\n"


def html(message: Message | Notice, now: float) -> str:
    subject_line = subject(message)
    if isinstance(message, Notice):
        return _template().render(
            notice=True,
            subject=subject_line,
            preview=wording.one_line(message.text, 150),
            time=f"{wording.clock_time(message.at, now)} UTC",
            title=wording.one_line(message.title, 200),
            paragraphs=wording.paragraphs(message.text, 1000),
        )
    reports, more = wording.listed(message.reports)
    return _template().render(
        notice=False,
        subject=subject_line,
        preview=f"{wording.moment(message, now)} {wording.tally(message)}",
        topic=wording.topic(message),
        moment=wording.moment(message, now),
        repeat=wording.REPEAT if message.possible_repeat else "",
        headline=wording.headline(message),
        url=wording.safe_url(message.url),
        tally=wording.tally(message).strip("()"),
        spans=wording.quotation(message.passage),
        reports=[
            {
                "time": wording.clock_time(report.at, now),
                "source": wording.one_line(report.source, 80) or "unknown source",
                "url": wording.safe_url(report.url),
                "copy_of": wording.one_line(report.copy_of, 80),
            }
            for report in reports
        ],
        more=more,
        why=wording.why(message),
        page=wording.safe_url(message.page),
    )


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    source = files("consumers.notify").joinpath("mail.html.j2").read_text("utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(source)


def _notice_lines(notice: Notice) -> list[str]:
    lines = [*_wrapped(f"Wirewatch: {wording.one_line(notice.title, 200)}")]
    for paragraph in wording.paragraphs(notice.text, 1000):
        lines += ["", *_wrapped(paragraph)]
    return lines


def _alert_lines(message: Message, now: float) -> list[str]:
    lines = _wrapped(f"{wording.topic(message)} · {wording.moment(message, now)}")
    if message.possible_repeat:
        lines += _wrapped(wording.REPEAT)
    lines += ["", *_wrapped(wording.headline(message)), *_wrapped(wording.tally(message)), ""]
    if spans := wording.quotation(message.passage):
        quoted = "".join(f"*{span.text}*" if span.marked else span.text for span in spans)
        lines += [*(f"  {line}" for line in _wrapped(quoted)), ""]
    reports, more = wording.listed(message.reports)
    for report in reports:
        lines.append(f"- {wording.source(report, now)}")
        if url := wording.safe_url(report.url):
            lines.append(f"  {url}")
    lines += [f"- {more}"] if more else []
    if reasons := wording.why(message):
        lines += ["", *_wrapped(reasons)]
    for name, url in (("Open", message.url), ("On the Wirewatch page", message.page)):
        if address := wording.safe_url(url):
            lines += ["", f"{name}: {address}"]
    return lines


def _wrapped(line: str) -> list[str]:
    import textwrap

    return textwrap.wrap(line, _WRAP, break_long_words=False, break_on_hyphens=False)


def _token(name: str) -> str:
    """Letters, digits, dots and hyphens only."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip(".-")[:80] or "none"
