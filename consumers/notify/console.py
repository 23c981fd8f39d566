"""The console: the alert as text, wrapped, in colour where that is wanted."""

from collections.abc import Callable
from io import StringIO
from typing import TYPE_CHECKING

from consumers.errors import Retry
from consumers.model import Message, Notice, Receipt
from consumers.notify import Repeats, wording

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

WIDEST = 110  # columns; longer lines are hard to read


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
    ) -> None:
        self._write = write
        self._now = now
        self._width = width
        self._colour = colour

    async def send(self, message: Message | Notice) -> Receipt:
        """Raises ``Retry`` where the console has gone away."""
        try:
            self._write(render(message, now=self._now(), width=self._width(), colour=self._colour))
        except OSError as error:
            raise Retry("the console cannot be written") from error
        return Receipt()


def render(message: Message | Notice, *, now: float, width: int, colour: bool = False) -> str:
    """The message as lines of at most ``width`` columns; links stay whole whatever the width."""
    from rich.console import Console

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
    if isinstance(message, Notice):
        _notice(console, message)
    else:
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
    tally = wording.tally(message)
    console.print(Text.assemble((wording.headline(message), "bold"), f"  {tally}" if tally else ""))
    reports, more = wording.listed(message.reports)
    sources = [wording.source(report, now) for report in reports] + ([more] if more else [])
    if sources:
        _indented(console, Text(" · ".join(sources)))
    if spans := wording.quotation(message.passage):
        _indented(console, Text.assemble(*((span.text, "bold yellow" if span.marked else "") for span in spans)))
    if reasons := wording.why(message):
        console.print(Text(reasons, "dim"))
    for name, url in (("open", message.url), ("page", message.page)):
        if address := wording.safe_url(url):
            link = Text.assemble(f"{name} ", (address, f"underline link {address}"))
            console.print(link, soft_wrap=True)


def _indented(console: "Console", text: "Text") -> None:
    from rich.padding import Padding

    console.print(Padding(text, (0, 0, 0, 2), expand=False))
