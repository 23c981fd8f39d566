"""A server's process that ends with whoever started it, kill -9 included.

Between the two stands a keeper, a small process of its own: its stdin is a pipe whose other end the owner holds, and
the kernel closes that end however the owner dies. prctl(PR_SET_PDEATHSIG) alone would not do: it fires when the
*thread* that started the process ends, and tests start servers from threads. The keeper starts the server from the
thread that it lives and dies with, so for that step it is safe, and used.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

END_OF_LOG = 4_000  # characters of a server's output that an error shows
PR_SET_PDEATHSIG = 1


class Died(Exception):
    """The server ended by itself; the message has the end of its output."""


class Process:
    """One server, run until told otherwise. Not for several threads at once.

    `ending` is the signal that it gets when its owner is gone; what outlives that by 10 s is killed. Output is
    appended to `log`.
    """

    def __init__(self, command: Sequence[str | Path], *, log: Path, ending: signal.Signals = signal.SIGKILL) -> None:
        self._log = log
        self._keeper = subprocess.Popen(
            # -I -S: a keeper needs no packages
            [sys.executable, "-I", "-S", __file__, str(int(ending)), str(log), *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,  # Ctrl-C in a terminal reaches the owner alone
        )
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._orders, self._answers = self._keeper.stdin, self._keeper.stdout
        first = self._answers.readline()
        if not first:
            self.close()
            raise Died(self.report())
        self.pid = int(first)

    @property
    def running(self) -> bool:
        return self._keeper.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Signals the server, or nobody where it has ended: the keeper knows whose the pid is. Returns when sent."""
        with suppress(BrokenPipeError):
            self._orders.write(f"{int(number)}\n")
            self._answers.readline()

    def wait(self, seconds: float) -> None:
        """Returns when the server has ended.

        Raises:
            TimeoutError: it still runs.
        """
        try:
            self._keeper.wait(seconds)
        except subprocess.TimeoutExpired as err:
            raise TimeoutError(f"still running after {seconds:g} s; {self.report()}") from err

    def wait_until(self, serves: Callable[[], bool], seconds: float) -> None:
        """Asks `serves` again and again.

        Raises:
            Died: the server ended instead.
            TimeoutError: it does not serve in time.
        """
        deadline = time.monotonic() + seconds
        while not serves():
            with suppress(subprocess.TimeoutExpired):
                self._keeper.wait(0.05)
                raise Died(self.report())
            if time.monotonic() > deadline:
                raise TimeoutError(f"does not serve after {seconds:g} s; {self.report()}")

    def close(self) -> None:
        """Ends the server as its owner's death would, and waits for it."""
        with suppress(BrokenPipeError):
            self._orders.close()
        self._keeper.wait()
        self._answers.close()

    def report(self) -> str:
        text = self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""
        return f"the end of {self._log}:\n{text[-END_OF_LOG:]}"


def keep(ending: signal.Signals, log: Path, command: Sequence[str]) -> int:
    """Runs the command; obeys the signal numbers that arrive on stdin; ends it when stdin closes."""
    keeper = os.getpid()

    def end_with_the_keeper() -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:  # it died before the line above
            os._exit(1)

    with log.open("ab") as output:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, preexec_fn=end_with_the_keeper
        )
    print(server.pid, flush=True)

    def obey() -> None:
        for line in sys.stdin:
            server.send_signal(int(line))
            with suppress(BrokenPipeError):  # the owner has just died
                print("sent", flush=True)
        server.send_signal(ending)
        server.send_signal(signal.SIGCONT)  # a paused server hears nothing but SIGKILL
        with suppress(subprocess.TimeoutExpired):
            server.wait(10)
        server.kill()

    threading.Thread(target=obey, daemon=True).start()
    return server.wait()


if __name__ == "__main__":
    # os._exit: an ordinary exit would wait for stdin's lock, which the thread holds
    os._exit(keep(signal.Signals(int(sys.argv[1])), Path(sys.argv[2]), sys.argv[3:]) & 0xFF)
