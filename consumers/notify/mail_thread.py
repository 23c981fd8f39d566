"""What makes mails one conversation: ids that refer to each other, and one subject for as long as the story lives.

Gmail wants both, ``References`` and an equal subject (https://support.google.com/mail/answer/5900); others go by one of
them. A story's headline may change, and two stories may become one, so the subject that a conversation began with has
to be remembered. It is kept in what ``Receipt.provider_id`` says of a mail: its ``Message-ID``, a blank, its subject.
"""

import re
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import Header
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UniqueUnstructuredHeader
from email.policy import Policy

from consumers.model import Digest, Message, Notice
from consumers.notify import Tidings, wording

SUBJECT = 160  # characters
_MOST_REFERENCES = 20  # a header line for each; RFC 5537, 3.4.4 keeps the first and the last ones, too
_TOLD = re.compile(r"(<[!-;=?-~]{1,300}@[!-;=?-~]{1,300}>)(?: (.*))?", re.DOTALL)
_OF_DIGEST = ".digest@"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """Where a mail belongs. ``reply_to`` is empty where it begins a conversation."""

    subject: str
    reply_to: str = ""
    references: tuple[str, ...] = ()


def thread(message: Tidings, domain: str, subject: str = "") -> Thread:
    """A digest tells many stories, so no story's conversation goes on under one.

    ``subject`` is what a conversation begins with where it is not to be ours.
    """
    own = _harmless(wording.one_line(subject, SUBJECT)) or _subject(message)
    if not isinstance(message, Message):
        return Thread(subject=own)
    story = f"<{_token(message.story_id)}.story@{domain}>"  # never sent: what holds a conversation if a mail is lost
    told = [each for each in map(_told, message.follows or (message.thread,)) if each]
    if not told:
        return Thread(subject=own, references=(story,))
    root = _told(message.thread) or told[0]
    ids = list(dict.fromkeys(name for name, _ in told))
    ids = ids if len(ids) <= _MOST_REFERENCES else [ids[0], *ids[1 - _MOST_REFERENCES :]]
    return Thread(subject=f"Re: {root[1] or own}", reply_to=ids[-1], references=(story, *ids))


def provider_id(message: Tidings, domain: str, subject: str = "") -> str:
    """See above; of what nobody follows, the ``Message-ID`` alone."""
    name = message_id(message, domain)
    return f"{name} {_bare(thread(message, domain, subject).subject)}" if isinstance(message, Message) else name


def message_id(message: Tidings, domain: str) -> str:
    """From the delivery's id alone, so every attempt has the same one."""
    token = _token(message.delivery_id)
    return f"<{token}{_OF_DIGEST}{domain}>" if isinstance(message, Digest) else f"<{token}@{domain}>"


def list_id(message: Tidings, domain: str) -> str:
    """What mailboxes filter by: a topic, the digests, or what Wirewatch has to say of itself."""
    match message:
        case Notice():
            return f"<wirewatch.{domain}>"
        case Digest():
            return f"<digest.wirewatch.{domain}>"
    return f"<{_token(message.topic_id)}.wirewatch.{domain}>"


def domain_of(sender: str) -> str:
    """Raises ``ValueError`` where ``sender`` is no address."""
    address = _address(sender)
    if address is None or not address.username or not address.domain:
        raise ValueError(f'"{sender}" is no address: one looks like alerts@example.org')
    if not address.domain.isascii():
        raise ValueError(f'"{sender}": write the domain as mail servers know it, as in xn--bcher-kva.example')
    return address.domain


class Ids(UniqueUnstructuredHeader, BaseHeader):  # type: ignore[misc] # each says how many it may be, in its own way
    """Ids, folded between two of them. The library would encode an id longer than a line, which nobody reads as one."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: " + f"{policy.linesep} ".join(self.split()) + policy.linesep


class Subject(UniqueUnstructuredHeader, BaseHeader):  # type: ignore[misc]
    """Begins on its own line. The library would fold before the first word of some, and readers keep that blank."""

    def fold(self, *, policy: Policy) -> str:
        charset = "us-ascii" if self.isascii() else "utf-8"
        folded = Header(str(self), charset, header_name=self.name).encode(linesep=policy.linesep)
        return f"{self.name}: {folded}{policy.linesep}"


def header_factory() -> HeaderRegistry:
    made = HeaderRegistry()
    made.map_to_type("subject", Subject)
    for name in ("in-reply-to", "references", "list-id"):
        made.map_to_type(name, Ids)
    return made


def _told(provider_id: str) -> tuple[str, str] | None:
    """The id and the subject, perhaps empty, of a mail that tells one story."""
    found = _TOLD.fullmatch(provider_id)
    if found is None or _OF_DIGEST in found[1]:
        return None
    return found[1], _bare(_harmless(wording.one_line(found[2] or "", SUBJECT)))


def _subject(message: Tidings) -> str:
    """ "topic: headline"."""
    return _harmless(wording.cut(wording.sentence(message), SUBJECT))


def _harmless(subject: str) -> str:
    """An "=?" from outside is broken up: it would be read as an encoded word."""
    return subject.replace("=?", "= ?")


def _bare(subject: str) -> str:
    return subject.removeprefix("Re: ")


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


def _token(name: str) -> str:
    """Letters, digits, dots and hyphens only."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip(".-")[:80] or "none"
