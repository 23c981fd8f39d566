"""An event loop whose time stands still while anything can be done: a timeout of 30 seconds takes no time at all.

What goes to threads is done at once, in the order in which it is asked for, so the same seed gives the same week.
"""

import asyncio
import selectors
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

_GRACE = 0.05  # real seconds in which an answer over loopback arrives, where one is on its way
_STUCK = 20.0  # real seconds without a timer or an answer: nothing will ever happen


class HeldLoop(asyncio.SelectorEventLoop):
    """``awaits``: whether an answer may be on its way; else time goes on without looking for one."""

    def __init__(self, awaits: Callable[[], bool] = lambda: True) -> None:
        self._held = _Held(awaits)
        super().__init__(self._held)
        self.set_default_executor(_AtOnce())

    def time(self) -> float:
        return self._held.at

    @property
    def awaits(self) -> Callable[[], bool]:
        return self._held.awaits

    @awaits.setter
    def awaits(self, awaits: Callable[[], bool]) -> None:
        self._held.awaits = awaits


class _Held(selectors.DefaultSelector):
    def __init__(self, awaits: Callable[[], bool]) -> None:
        super().__init__()
        self.at = 0.0
        self.awaits = awaits

    def select(self, timeout: float | None = None) -> Any:
        if (ready := super().select(0)) or timeout == 0:
            return ready
        if timeout is None:
            ready = super().select(_STUCK)
            assert ready, "nothing will ever happen"
            return ready
        if self.awaits() and (ready := super().select(_GRACE)):
            return ready
        self.at += timeout
        return []


class _AtOnce(ThreadPoolExecutor):
    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - the future hands it on
            done.set_exception(error)
        return done
