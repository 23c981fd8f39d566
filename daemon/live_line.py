"""The terminal's one writer, and the line at its bottom that says what Wirewatch is doing.

Log lines, alerts and the live line share one screen, so all of them go through one ``Terminal``: it takes the live
line away, writes the text and puts the line back.
"""

import asyncio
import contextlib
import os
import shutil
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TextIO

from daemon.clock import Clock
from daemon.logs import neutralise

_CLEAR = "\r\x1b[2K"


def _columns() -> int:
    return shutil.get_terminal_size().columns


def can_redraw(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether a line on ``stream`` can be replaced: a terminal, and not one that calls itself dumb."""
    return stream.isatty() and environ.get("TERM", "") not in ("", "dumb")


class Terminal:
    """Threads may share it. On anything but a terminal ``status`` does nothing."""

    def __init__(
        self, stream: TextIO, *, columns: Callable[[], int] = _columns, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._stream = stream
        self._columns = columns
        self._live = can_redraw(stream, environ)
        self._line = ""
        self._lock = threading.RLock()

    @property
    def live(self) -> bool:
        return self._live

    def print(self, text: str, *, to: TextIO | None = None) -> None:
        """Writes ``text`` and a line end, above the live line; ``to`` another stream, which may be the same screen.

        Raises ``OSError`` where the stream cannot be written, such as a pipe whose reader has gone.
        """
        stream = to or self._stream
        with self._lock:
            self._draw(_CLEAR if self._line else "")
            stream.write(text + "\n")
            stream.flush()
            self._draw(self._line)

    def status(self, text: str) -> None:
        """Replaces the live line; an empty text takes it away. Cut where the terminal ends, so it never wraps."""
        if not self._live:
            return
        line = fit(text, self._columns() - 1)
        with self._lock:
            had, self._line = self._line, line
            if line != had:
                self._draw(_CLEAR + line)

    def close(self) -> None:
        """Leaves the cursor at the start of a clean line."""
        self.status("")

    def _draw(self, text: str) -> None:
        if text:
            with contextlib.suppress(OSError, ValueError):  # a terminal that was closed takes nothing down with it
                self._stream.write(text)
                self._stream.flush()


def fit(text: str, cells: int) -> str:
    """``text`` on one line of at most ``cells`` terminal cells, cut between its parts (" · ") where possible."""
    from rich.cells import cell_len, set_cell_size

    parts = neutralise(text).split(" · ")
    while len(parts) > 1 and cell_len(" · ".join(parts)) > cells:
        parts.pop()
    line = " · ".join(parts)
    return line if cell_len(line) <= cells else set_cell_size(line, max(cells, 0)).rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the live line tells; ``articles``, ``matches`` and ``alerts`` count since the start."""

    feeds: int = 0
    due: int = 0
    failing: int = 0
    articles: int = 0
    matches: int = 0
    alerts: int = 0
    not_ready: tuple[str, ...] = ()


class Rate:
    """Articles per minute over the last minute, from a count that only grows."""

    def __init__(self, window: float = 60.0) -> None:
        self._window = window
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, at: float, count: int) -> int:
        """``at`` in monotonic seconds. In the first minute: what came so far."""
        self._samples.append((at, count))
        while len(self._samples) > 1 and self._samples[1][0] <= at - self._window:
            self._samples.popleft()
        return count - self._samples[0][1]


def line(figures: Figures, rate: int) -> str:
    """What is wrong comes early: the end is what a narrow terminal cuts."""
    parts = [f"feeds {figures.due}/{figures.feeds} due"]
    if figures.failing:
        parts.append(f"{figures.failing} failing")
    if figures.not_ready:
        parts.append("waiting for " + ", ".join(figures.not_ready))
    parts += [
        f"{rate} {'article' if rate == 1 else 'articles'}/min",
        f"{figures.matches} {'match' if figures.matches == 1 else 'matches'}",
        f"{figures.alerts} {'alert' if figures.alerts == 1 else 'alerts'}",
    ]
    return " · ".join(parts)


class LiveLine:
    """Refreshes the terminal's status each second until it is stopped, then takes it away."""

    def __init__(self, terminal: Terminal, figures: Callable[[], Figures], clock: Clock) -> None:
        """``figures`` may read the store: it is called on a thread of its own."""
        self._terminal = terminal
        self._figures = figures
        self._clock = clock
        self._rate = Rate()

    def refresh(self) -> None:
        figures = self._figures()
        self._terminal.status(line(figures, self._rate.add(self._clock.monotonic(), figures.articles)))

    async def run(self, stop: asyncio.Event) -> None:
        try:
            while self._terminal.live and not stop.is_set():
                await asyncio.to_thread(self.refresh)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 1.0)
        finally:
            self._terminal.close()
