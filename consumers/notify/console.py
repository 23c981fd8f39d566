"""The console: tidings as text, wrapped, in colour where that is wanted."""

from collections.abc import Callable
from io import StringIO
from typing import TYPE_CHECKING

from consumers.errors import Retry
from consumers.model import Digest, Message, Notice, Receipt
from consumers.notify import Repeats, Tidings, wording, wording_digest
from consumers.notify.rendered import Render, own_words
from consumers.notify.wording_digest import Detail

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

WIDEST = 110  # columns; longer lines are hard to read
_DETAIL = Detail(facts=3, quote=0)


class ConsoleNotifier:
    """Writes to ``write``, whole alerts at a time, each ending in a newline."""

    repeats: Repeats = "marked"
    gap = 0.0

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        now: Callable[[], float],
        width: Callable[[], int],
        colour: bool = False,
        render: Render = own_words,
    ) -> None:
        self._write = write
        self._now = now
        self._width = width
        self._colour = colour
        self._render = render

    async def send(self, message: Tidings) -> Receipt:
        """Raises ``Retry`` where the console has gone away."""
        words = self._render(message)
        shown = render(message, now=self._now(), width=self._width(), colour=self._colour, words=words.text)
        try:
            self._write(shown)
        except OSError as error:
            raise Retry("the console cannot be written") from error
        return Receipt(note=words.note)


def render(message: Tidings, *, now: float, width: int, colour: bool = False, words: str = "") -> str:
    """The message as lines of at most ``width`` columns; links stay whole whatever the width.

    ``words`` stand for our own, line by line as they are.
    """
    from rich.console import Console

    if words:
        repeat = not isinstance(message, Notice) and message.possible_repeat
        return f"{wording.REPEAT}\n{words}\n" if repeat else f"{words}\n"
    out = StringIO()
    console = Console(
        file=out,
        width=max(40, min(width, WIDEST)),
        force_terminal=colour,
        color_system="standard" if colour else None,
        legacy_windows=False,
        highlight=False,
        emoji=False,
        markup=False,
        _environ={},  # a pipe stays a pipe: FORCE_COLOR and COLUMNS are the caller's business
    )
    match message:
        case Notice():
            _notice(console, message)
        case Digest():
            _digest(console, message, now)
        case Message():
            _alert(console, message, now)
    return "\n".join(line.rstrip(" ") for line in out.getvalue().split("\n"))  # the library pads to the width


def _notice(console: "Console", notice: Notice) -> None:
    from rich.text import Text

    console.print(Text.assemble(("Wirewatch", "bold yellow"), f" · {wording.one_line(notice.title, 200)}"))
    for paragraph in wording.paragraphs(notice.text, 1000):
        _indented(console, Text(paragraph))


def _alert(console: "Console", message: Message, now: float) -> None:
    from rich.text import Text

    console.print(Text.assemble((wording.topic(message), "bold cyan"), f" · {wording.moment(message, now)}"))
    if message.possible_repeat:
        console.print(Text(wording.REPEAT, "yellow"))
    _news(console, message)
    follow_up = message.kind != "first"
    tally = "" if follow_up else wording.tally(message)
    console.print(Text.assemble((wording.headline(message), "bold"), f"  {tally}" if tally else ""))
    if follow_up and (counts := wording.counter(message, now)):
        _indented(console, Text(counts))
    for line in wording.status_lines(message):
        _indented(console, Text(line, "italic"))
    reports, more = wording.listed(message.reports, newest=follow_up)
    sources = [wording.source(report, now) for report in reports] + ([more] if more else [])
    if sources:
        _indented(console, Text(" · ".join(sources)))
    spans = () if message.facts else wording.quotation(message.passage)
    if spans:
        _indented(console, Text.assemble(*((span.text, "bold yellow" if span.marked else "") for span in spans)))
    _so_far(console, message, now)
    if reasons := wording.why(message):
        console.print(Text(reasons, "dim"))
    _link(console, "open", message.url)
    _link(console, "page", message.page)


def _news(console: "Console", message: Message) -> None:
    """What a follow-up leads with; each fact with the sentence that says it."""
    from rich.text import Text

    if cause := wording.escalated(message):
        console.print(Text(cause, "bold red"))
    if report := wording.another(message):
        console.print(Text(report, "bold green"))
    facts, more = wording.told(message.facts)
    for fact, quote in zip(facts, wording.quotes(facts), strict=True):
        console.print(Text(wording.added(fact), "bold yellow" if wording.takes_back(fact) else "bold green"))
        if quote:
            _indented(console, Text(quote))
    if more:
        console.print(Text(more))


def _so_far(console: "Console", message: Message, now: float) -> None:
    from rich.text import Text

    facts, more = wording.told(wording.earlier(message))
    if facts:
        lines = [wording.fact_line(fact, now) for fact in facts] + ([more] if more else [])
        _indented(console, Text("So far: " + " · ".join(lines)))


def _digest(console: "Console", digest: Digest, now: float) -> None:
    from rich.text import Text

    head = wording_digest.dateline(digest, now)
    console.print(Text.assemble((wording_digest.title(digest), "bold cyan"), f" · {head}"))
    if digest.possible_repeat:
        console.print(Text(wording.REPEAT, "yellow"))
    if lead := wording_digest.lead(digest):
        console.print(Text(lead))
    sections = wording_digest.sections(digest, _DETAIL)
    for section in sections:
        console.print(Text.assemble("\n", (section.topic, "bold cyan"), f" · {section.counts}"))
        for story in section.stories:
            _story(console, story, now)
        if section.more:
            _indented(console, Text(section.more))
    if more := wording_digest.left_out(digest, sections):
        console.print(Text(f"\n{more}"))
    _near_misses(console, digest, now)
    _link(console, "page", digest.page)


def _story(console: "Console", story: Message, now: float) -> None:
    from rich.text import Text

    _indented(console, Text(wording.headline(story), "bold"))
    facts, more = wording_digest.facts(story, _DETAIL.facts)
    lines = [wording_digest.byline(story, now), *(wording.fact_line(fact, now) for fact in facts), more]
    if cause := wording.escalated(story):
        _indented(console, Text(cause, "bold red"), 4)
    for line in filter(None, (*lines, *wording.status_lines(story))):
        _indented(console, Text(line), 4)
    _link(console, "    open", story.url)


def _near_misses(console: "Console", digest: Digest, now: float) -> None:
    from rich.text import Text

    found = wording_digest.near_misses(digest, _DETAIL)
    if found:
        console.print(Text.assemble("\n", (wording_digest.NEAR, "bold cyan")))
    for near in found:
        _indented(console, Text(near.topic, "bold"))
        for line in filter(None, (*(wording_digest.near_miss(miss, now) for miss in near.misses), near.more)):
            _indented(console, Text(line), 4)


def _link(console: "Console", name: str, url: str) -> None:
    from rich.text import Text

    if address := wording.safe_url(url):
        console.print(Text.assemble(f"{name} ", (address, f"underline link {address}")), soft_wrap=True)


def _indented(console: "Console", text: "Text", columns: int = 2) -> None:
    from rich.padding import Padding

    console.print(Padding(text, (0, 0, 0, columns), expand=False))
