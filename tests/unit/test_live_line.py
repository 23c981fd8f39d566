import asyncio
import io

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from daemon.live_line import Figures, LiveLine, Rate, Terminal, fit, line
from tests.kept_rows import HeldClock


class Screen(io.StringIO):
    def __init__(self, *, terminal: bool = True) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def lines(self) -> list[str]:
        """What a person sees: carriage returns and erased lines obeyed."""
        shown = [""]
        for character in self.getvalue().replace("\r\x1b[2K", "\x00"):
            if character == "\x00":
                shown[-1] = ""
            elif character == "\n":
                shown.append("")
            else:
                shown[-1] += character
        return shown


def terminal(screen: Screen, *, columns: int = 80, term: str = "xterm") -> Terminal:
    return Terminal(screen, columns=lambda: columns, environ={"TERM": term})


def test_log_lines_stand_above_the_live_line():
    screen = Screen()
    shared = terminal(screen)
    shared.status("feeds 1/2 due")
    shared.print("an alert")
    shared.status("feeds 0/2 due")
    shared.print("a log line")
    assert screen.lines() == ["an alert", "a log line", "feeds 0/2 due"]


def test_the_last_line_is_clean_when_it_is_closed():
    screen = Screen()
    shared = terminal(screen)
    shared.status("feeds 1/2 due")
    shared.close()
    assert screen.lines() == [""]


def test_there_is_no_live_line_where_there_is_no_terminal():
    for screen, term in ((Screen(terminal=False), "xterm"), (Screen(), "dumb"), (Screen(), "")):
        shared = terminal(screen, term=term)
        shared.status("feeds 1/2 due")
        shared.print("a log line")
        shared.close()
        assert screen.getvalue() == "a log line\n"


def test_what_is_printed_to_another_stream_goes_there_and_the_live_line_stays_here():
    screen, elsewhere = Screen(), io.StringIO()
    shared = terminal(screen)
    shared.status("feeds 1/2 due")
    shared.print("an alert", to=elsewhere)
    assert elsewhere.getvalue() == "an alert\n"
    assert screen.lines() == ["feeds 1/2 due"]


def test_a_terminal_that_has_gone_takes_nothing_down_with_it():
    screen = Screen()
    shared = terminal(screen)
    screen.close()
    shared.status("feeds 1/2 due")
    shared.close()


def test_a_narrow_terminal_cuts_whole_parts_from_the_end():
    assert fit("feeds 1/2 due · 3 articles/min · 5 matches", 32) == "feeds 1/2 due · 3 articles/min"
    assert fit("feeds 1/2 due · 3 articles/min", 8) == "feeds 1/"


@given(st.text(max_size=200), st.integers(0, 120))
def test_a_live_line_never_wraps_and_never_obeys_what_is_in_it(text: str, cells: int):
    fitted = fit(text, cells)
    assert cell_len(fitted) <= cells
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in fitted)


def test_the_line_says_what_is_wrong_before_what_is_counted():
    figures = Figures(feeds=60, due=12, failing=1, articles=900, matches=5, alerts=1, not_ready=("match",))
    assert line(figures, 34) == (
        "feeds 12/60 due · 1 failing · waiting for match · 34 articles/min · 5 matches · 1 alert"
    )


def test_the_rate_is_of_the_last_minute():
    rate = Rate()
    assert rate.add(0, 0) == 0
    assert rate.add(30, 20) == 20
    assert rate.add(60, 50) == 50
    assert rate.add(90, 60) == 40, "the 20 of the first half minute are gone"
    assert rate.add(300, 60) == 0


async def test_the_live_line_ends_clean_when_the_daemon_stops():
    screen, stop, drawn = Screen(), asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def figures() -> Figures:
        loop.call_soon_threadsafe(drawn.set)
        return Figures(feeds=3)

    task = asyncio.create_task(LiveLine(terminal(screen), figures, HeldClock()).run(stop))
    await drawn.wait()
    stop.set()
    await asyncio.wait_for(task, 60)
    assert "feeds 0/3 due" in screen.getvalue()
    assert screen.lines() == [""]
