"""An alert in Slack's Block Kit, within the documented limits whatever the article holds."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from consumers.model import Digest, Fact, Message, Notice
from consumers.notify import Tidings, slack_buttons, slack_digest, wording
from consumers.notify.slack_text import (
    MOST_BLOCKS,
    PLAIN,
    Block,
    context,
    escape,
    fitting,
    link,
    packed,
    section,
    units,
)

FALLBACK = 3000  # of `text`, which notifications and screen readers use; chat.update takes 4,000
_HEADING, _HEADLINE, _QUOTE, _SOURCES, _WHY, _NOTICE = 500, 900, 1800, 1400, 900, 2500
_NEWS, _FACT_QUOTE, _TIMELINE, _STATUS, _WORDS = 1400, 450, 1000, 700, 2900
_QUOTED_FACTS, _FACTS, _EARLIER = 2, 4, 5

# What goes first where a message is too much: the highest.
_STAYS, _QUOTED, _SAID, _EARLIER_FACTS, _REASON, _WHO = range(6)

Part = tuple[int, Block]


def blocks(message: Tidings, now: float, *, buttons: bool = False, words: str = "") -> list[Block]:
    """``buttons``: somebody hears it when one is pressed. ``words`` stand for our own, in Slack's markup.

    A message with a ``thread`` is a short reply there.
    """
    if isinstance(message, Notice):
        return _notice(message)
    if isinstance(message, Digest):
        return fitting([*_in_words(message, words)]) if words else slack_digest.blocks(message, now)
    reply = bool(message.thread) and message.kind == "update"
    own = _reply(message, now) if reply else _alert(message, now)
    parts = [*(_in_words(message, words) if words else own)]
    row = slack_buttons.actions(message) if buttons else []
    parts += [(_STAYS, block) for block in row or _page(message)]
    return fitting(parts)


def alone(message: Message) -> Message:
    """The message as it stands in the channel itself, with everything that says what story it is about."""
    return replace(message, thread="")


def fallback(message: Tidings, subject: str = "") -> str:
    """The message in plain text, for `text`."""
    if subject:
        parts = [subject]
    elif isinstance(message, Notice):
        parts = [wording.sentence(message), " ".join(wording.paragraphs(message.text, 1000))]
    elif isinstance(message, Digest):
        parts = slack_digest.plain(message)
    else:
        repeat = wording.REPEAT if message.possible_repeat else ""
        news = " · ".join(wording.news(message)[:_FACTS])
        address = wording.safe_url(message.url)
        parts = [f"{news} ·" if news else "", wording.sentence(message), wording.tally(message), address, repeat]
    return escape(" ".join(filter(None, parts)), FALLBACK, PLAIN)


def metadata(message: Tidings) -> dict[str, object]:
    """Travels with the message unseen, so that the channel can be asked for it after a crash."""
    return {"event_type": "wirewatch_alert", "event_payload": {"delivery_id": message.delivery_id}}


def _alert(message: Message, now: float) -> Iterator[Part]:
    yield _STAYS, _heading(message, now)
    yield from _marks(message)
    if news := _news(message):
        yield _STAYS, section(news)
    yield from _fact_quotes(message)
    lines = (f"*{link(wording.safe_url(message.url), _headline(message))}*", escape(_count(message, now), _STATUS))
    yield _STAYS, section("\n".join(filter(None, lines)))
    if quote := _quote(message):
        yield _QUOTED, section(f">{quote}")
    if timeline := _timeline(wording.earlier(message), now):
        yield _EARLIER_FACTS, context(timeline)
    yield from _footer(message, now)


def _reply(message: Message, now: float) -> Iterator[Part]:
    """Under its story's first message. It names the story all the same: it may be shown in the channel, or alone."""
    yield _STAYS, _heading(message, now)
    yield from _marks(message)
    headline = link(wording.safe_url(message.url), _headline(message))
    yield _STAYS, section(_news(message) or headline)
    yield from _fact_quotes(message)
    if not any(fact.quote for fact in message.facts) and (quote := _quote(message)):
        yield _QUOTED, section(f">{quote}")
    count = escape(_count(message, now), _STATUS)
    yield _STAYS, context(" · ".join(filter(None, (headline, count))))


def _heading(message: Message, now: float) -> Block:
    siren = ":rotating_light: " if wording.urgent(message) else ""
    return context(f"{siren}*{escape(wording.topic(message), _HEADING)}* · {wording.moment(message, now)}")


def _in_words(message: Message | Digest, words: str) -> Iterator[Part]:
    """What is too much goes from the end. What became of the story is shown whether the words say it or not."""
    yield from _marks(message)
    texts = [text for text in packed(words.splitlines(), _WORDS) if text.strip()]
    yield from enumerate(map(section, texts[: MOST_BLOCKS // 2]))


def _marks(message: Message | Digest) -> Iterator[Part]:
    if isinstance(message, Message) and (lines := wording.status_lines(message)):
        yield _STAYS, context(escape("\n".join(lines), _STATUS))
    if message.possible_repeat:
        yield _STAYS, context(f":warning: {wording.REPEAT}")


def _headline(message: Message) -> str:
    return escape(wording.headline(message), _HEADLINE)


def _count(message: Message, now: float) -> str:
    return wording.counter(message, now) if message.latest else wording.tally(message)


def _news(message: Message) -> str:
    """What is new in bold, a line each."""
    facts, _ = wording.told(message.facts, _FACTS)
    left = len(message.facts) - len(facts)
    lines = wording.news(replace(message, facts=tuple(facts)))
    shown = [f"*{escape(line, _NEWS // (_FACTS + 1))}*" for line in lines]
    return "\n".join(shown + ([f"and {left} more"] if left else []))


def _fact_quotes(message: Message) -> Iterator[Part]:
    """Each with a link to the report that says it."""
    said = [(fact, quote) for fact, quote in zip(message.facts, wording.quotes(message.facts), strict=True) if quote]
    for fact, quote in said[:_QUOTED_FACTS]:
        source = link(wording.safe_url(fact.url), escape(wording.source_name(fact.source), 200))
        yield _SAID, section(f">{escape(quote, _FACT_QUOTE)} ({source})")


def _timeline(facts: Sequence[Fact], now: float) -> str:
    shown, more = wording.told(facts, _EARLIER)
    lines = [wording.fact_line(fact, now) for fact in shown] + ([f"{more}, earlier"] if more else [])
    return escape("\n".join(lines), _TIMELINE)


def _footer(message: Message, now: float) -> Iterator[Part]:
    reports, more = wording.listed(message.reports, newest=len(message.reports) > wording.MOST_SOURCES)
    sources = [wording.source(report, now) for report in reports] + ([more] if more else [])
    if text := escape(" · ".join(sources), _SOURCES):
        yield _WHO, context(text)
    if text := escape(wording.why(message), _WHY):
        yield _REASON, context(text)


def _page(message: Message) -> list[Block]:
    shown = link(wording.safe_url(message.page), "Open on the Wirewatch page")
    return [context(shown)] if shown.startswith("<") else []


def _quote(message: Message) -> str:
    """The marked words in bold. Too long after escaping, it loses its marks rather than its meaning."""
    spans = wording.quotation(message.passage)
    shown = [(escape(span.text, _QUOTE), span.marked) for span in spans]
    text = "".join(f"*{piece}*" if marked else piece for piece, marked in shown)
    return text if units(text) <= _QUOTE else escape("".join(span.text for span in spans), _QUOTE)


def _notice(notice: Notice) -> list[Block]:
    text = "\n".join(wording.paragraphs(notice.text, 1000))
    return [
        context(f":information_source: *Wirewatch* · {escape(wording.one_line(notice.title, 200), _HEADING)}"),
        section(escape(text, _NOTICE) or "(no text)"),
    ]
