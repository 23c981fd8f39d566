"""What a channel would be sent, without sending it and without its secrets."""

import html
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from consumers.model import Digest, Message
from consumers.notify.rendered import Rendered
from daemon.channel_settings import (
    AppriseChannel,
    ChannelSettings,
    ConsoleChannel,
    EmailChannel,
    SlackChannel,
    WebhookChannel,
)
from daemon.channel_templates import render_for
from daemon.channels import has_buttons

_LINK = re.compile(r"<([^|<>]+)\|([^<>]*)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """``text`` is for people, ``payload`` is what goes to the channel, as JSON. ``html`` only where it is a mail.

    ``note`` is what the operator would be told, as that a template failed.
    """

    text: str
    payload: Any
    html: str = ""
    note: str = ""


def preview(settings: ChannelSettings, tidings: Message | Digest, *, now: float, width: int = 100) -> Preview:
    """Raises ``ConfigError`` where the channel's template cannot be used."""
    words = render_for(settings)(tidings)
    match settings:
        case ConsoleChannel():
            made = _console(tidings, words, now, width)
        case SlackChannel():
            made = _slack(settings, tidings, words, now)
        case EmailChannel():
            made = _email(settings, tidings, words, now)
        case WebhookChannel():
            made = _webhook(tidings)
        case AppriseChannel():
            made = _apprise(tidings, words, now)
    return replace(made, note=words.note)


def _console(tidings: Message | Digest, words: Rendered, now: float, width: int) -> Preview:
    from consumers.notify.console import render

    text = render(tidings, now=now, width=width, words=words.text)
    return Preview(text=text, payload={"text": text})


def _slack(settings: SlackChannel, tidings: Message | Digest, words: Rendered, now: float) -> Preview:
    from consumers.notify import slack_blocks

    bot = settings.token.given
    if isinstance(tidings, Message) and not (bot and tidings.kind == "update"):
        tidings = slack_blocks.alone(tidings)
    blocks = slack_blocks.blocks(tidings, now, buttons=bot and has_buttons(settings), words=words.text)
    reply = isinstance(tidings, Message) and tidings.thread
    lines = ["(a reply in the thread of the story's first message)"] if reply else []
    lines += _readable(blocks)
    payload = {"text": slack_blocks.fallback(tidings, words.subject), "blocks": blocks}
    return Preview(text="\n".join(lines) + "\n", payload=payload)


def _readable(blocks: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Slack's blocks without its markup, a button as [Button]."""
    for block in blocks:
        if block["type"] == "divider":
            yield "---"
        if "text" in block:
            yield _plain(block["text"]["text"])
        if found := [_element(element) for element in block.get("elements", ())]:
            yield " ".join(found)


def _element(element: dict[str, Any]) -> str:
    if "options" in element:
        return f"[{' | '.join(option['text']['text'] for option in element['options'])}]"
    return f"[{element['text']['text']}]" if element["type"] == "button" else _plain(element.get("text", ""))


def _plain(mrkdwn: str) -> str:
    return html.unescape(_LINK.sub(r"\2 (\1)", mrkdwn))


def _email(settings: EmailChannel, tidings: Message | Digest, words: Rendered, now: float) -> Preview:
    from consumers.notify.mail_content import mail

    made = mail(tidings, sender=settings.sender, recipients=settings.recipients, now=now, words=words)
    parts = {part.get_content_type(): str(part.get_content()) for part in made.iter_parts()}
    headers = {name: str(made[name]) for name in ("From", "To", "Subject", "In-Reply-To") if made[name]}
    body = parts["text/plain"].replace("\r\n", "\n")
    text = "\n".join([*(f"{name}: {value}" for name, value in headers.items()), "", body])
    return Preview(text=text, payload={"headers": headers, "text": body}, html=parts["text/html"])


def _webhook(tidings: Message | Digest) -> Preview:
    from consumers.notify.webhook import body

    payload = json.loads(body(tidings))
    return Preview(text=json.dumps(payload, ensure_ascii=False, indent=2) + "\n", payload=payload)


def _apprise(tidings: Message | Digest, words: Rendered, now: float) -> Preview:
    from consumers.notify import push_text

    title, body = push_text.pushed(tidings, words, now)
    return Preview(text=f"{title}\n\n{body}\n", payload={"title": title, "body": body})
