"""Email over SMTP: STARTTLS, TLS from the first byte, or none."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from consumers.errors import Refused, Reject, Retry
from consumers.model import Receipt
from consumers.notify import Repeats, Tidings, Unanswered
from consumers.notify.mail_content import mail
from consumers.notify.mail_thread import domain_of, provider_id
from consumers.notify.rendered import Render, own_words

if TYPE_CHECKING:
    from email.message import EmailMessage
    from ssl import SSLCertVerificationError, SSLContext

    from aiosmtplib import SMTPException, SMTPRecipientRefused

Security = Literal["starttls", "tls", "none"]
Answers = Mapping[str, tuple[int, str]]  # by recipient: the code and the text it was refused with

_MOST_REMEMBERED = 1000


class MailNotifier:
    """One connection a message. Every attempt has the same ``Message-ID``, by which mailboxes know a repeat.

    A server may take some recipients and put others off: the next attempt goes only to those it put off. A recipient
    refused for good is named in the receipt's note while others accepted the message.
    """

    repeats: Repeats = "deduplicated"
    gap = 0.0

    def __init__(
        self,
        host: str,
        port: int,
        *,
        sender: str,
        recipients: Sequence[str],
        now: Callable[[], float],
        security: Security = "starttls",
        username: str = "",
        password: str = "",
        tls: "SSLContext | None" = None,
        timeout: float = 60.0,
        render: Render = own_words,
    ) -> None:
        """``tls`` replaces the system's trusted certificates. Raises ``ValueError`` where an address is none."""
        self._host, self._port, self._security = host, port, security
        self._sender, self._recipients = sender, tuple(recipients)
        self._domain = domain_of(sender)
        for recipient in recipients:
            domain_of(recipient)
        self._username, self._password = username, password
        self._tls = tls
        self._timeout = timeout
        self._now = now
        self._render = render
        self._accepted: dict[str, frozenset[str]] = {}  # by delivery, while some recipients were put off

    async def send(self, message: Tidings) -> Receipt:
        words = self._render(message)
        content = mail(message, sender=self._sender, recipients=self._recipients, now=self._now(), words=words)
        done = self._accepted.get(message.delivery_id, frozenset())
        asked = [recipient for recipient in self._recipients if recipient not in done]
        refused = await self._hand_over(content, asked)
        put_off = {recipient: answer for recipient, answer in refused.items() if answer[0] < 500}
        if put_off:
            self._remember(message.delivery_id, done | (set(asked) - set(refused)))
            raise Retry(f"{self._host} put off {_listed(put_off)}")
        self._accepted.pop(message.delivery_id, None)
        notes = [words.note, f"{self._host} does not deliver to {_listed(refused)}" if refused else ""]
        known_as = provider_id(message, self._domain, words.subject)
        return Receipt(provider_id=known_as, note="; ".join(filter(None, notes)))

    def _remember(self, delivery_id: str, accepted: frozenset[str]) -> None:
        while len(self._accepted) >= _MOST_REMEMBERED:
            self._accepted.pop(next(iter(self._accepted)))
        self._accepted[delivery_id] = accepted

    async def _hand_over(self, content: "EmailMessage", recipients: Sequence[str]) -> Answers:
        """Who was refused, while others accepted."""
        import ssl

        import aiosmtplib

        try:
            async with asyncio.timeout(self._timeout):
                answers, _ = await aiosmtplib.send(
                    content,
                    sender=content["From"].addresses[0].addr_spec,
                    recipients=[_bare(recipient) for recipient in recipients],
                    hostname=self._host,
                    port=self._port,
                    username=self._username or None,
                    password=self._password or None,
                    use_tls=self._security == "tls",
                    start_tls=self._security == "starttls",
                    tls_context=self._tls,
                    timeout=self._timeout,
                )
        except aiosmtplib.SMTPException as error:
            raise verdict(error, self._host) from error
        except TimeoutError as error:
            raise Unanswered(f"{self._host} did not answer within {self._timeout:g} s") from error
        except ssl.SSLCertVerificationError as error:
            raise _untrusted(error, self._host) from error
        except OSError as error:
            raise Unanswered(f"the connection to {self._host} broke off") from error
        by_address = {_bare(recipient): recipient for recipient in recipients}
        return {by_address.get(name, name): (answer.code, answer.message) for name, answer in answers.items()}


def verdict(error: "SMTPException", host: str) -> Reject | Retry:
    """SMTP: 4xx may pass later, 5xx will not (RFC 5321, 4.2.1).

    What is refused about the server, the login, the sender or every recipient disables the channel; a message that is
    refused for its content is given up alone, or any article could switch the channel off.
    """
    import ssl

    import aiosmtplib

    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            refused: list[SMTPRecipientRefused] = error.recipients
            answers = {one.recipient: (one.code, one.message) for one in refused}
            what = f"{host} takes no recipient: {_listed(answers)}"
            return Retry(what) if any(code < 500 for code, _ in answers.values()) else Refused(what)
        case aiosmtplib.SMTPResponseException() if 400 <= error.code < 500:
            return Retry(f"{host} put us off ({error.code} {_line(error.message)})")
        case aiosmtplib.SMTPAuthenticationError():
            return Refused(f"{host} does not accept the user name and password ({error.code})")
        case aiosmtplib.SMTPDataError():
            return Reject(f"{host} does not take this message ({error.code} {_line(error.message)})")
        case aiosmtplib.SMTPResponseException() if error.code >= 500:
            return Refused(f"{host} refuses ({error.code} {_line(error.message)})")
        case aiosmtplib.SMTPConnectError() if isinstance(error.__cause__, ssl.SSLCertVerificationError):
            return _untrusted(error.__cause__, host)
        case aiosmtplib.SMTPConnectError():
            return Retry(f"cannot connect to {host}")
        case aiosmtplib.SMTPTimeoutError():
            return Unanswered(f"{host} did not answer in time")
        case aiosmtplib.SMTPServerDisconnected():
            return Unanswered(f"the connection to {host} broke off")
        case _:  # no STARTTLS, or no way to log in
            return Refused(f"{host} does not offer what the settings ask for: check security and username")


def _untrusted(error: "SSLCertVerificationError", host: str) -> Refused:
    return Refused(f"the certificate of {host} is not valid: {error.verify_message}")


def _listed(answers: Answers) -> str:
    return ", ".join(f"{name} ({code} {_line(text)})" for name, (code, text) in sorted(answers.items()))


def _line(text: str) -> str:
    return " ".join(text.split())[:200]


def _bare(address: str) -> str:
    from email.utils import parseaddr

    return parseaddr(address)[1]
