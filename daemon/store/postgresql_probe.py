"""Why PostgreSQL did not let us in, as a code.

libpq hands out the code of every error but those of connecting: there it has a text alone, in the server's language.
Its protocol trace has the code. So after a failed attempt one more is made, traced into memory, and only for its code.
"""

import os
import re
import select
import sys
from collections.abc import Mapping
from time import monotonic
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

NEEDS_PASSWORD = "needs password"  # noqa: S105 - libpq's own finding, which has no code: there was none to give
_PATIENCE = 5.0  # seconds
_CODE = re.compile(rb'^B\t\d+\tErrorResponse\t.*?\bC "([0-9A-Z]{5})"', re.MULTILINE | re.DOTALL)


def refusal(address: Mapping[str, Any]) -> str:
    """The SQLSTATE of the server's refusal, ``NEEDS_PASSWORD``, or "" where it gave none, or let us in now."""
    if not sys.platform.startswith("linux"):  # psycopg traces nowhere else
        return ""
    trace = os.memfd_create("wirewatch-trace")  # may hold what was said while authenticating: memory alone
    try:
        needs_password = _attempt(address, trace)
        written = os.pread(trace, 1 << 20, 0)
    except psycopg.Error:
        return ""
    finally:
        os.close(trace)
    found = _CODE.search(written)
    if found:
        return found[1].decode()
    return NEEDS_PASSWORD if needs_password else ""


def _attempt(address: Mapping[str, Any], trace: int) -> bool:
    """Whether it failed for want of a password."""
    attempt = pq.PGconn.connect_start(make_conninfo(**address).encode())
    if attempt.status == pq.ConnStatus.BAD:
        return False
    attempt.trace(trace)
    attempt.set_trace_flags(pq.Trace.SUPPRESS_TIMESTAMPS)
    deadline = monotonic() + _PATIENCE
    state: int = pq.PollingStatus.WRITING
    while state in (pq.PollingStatus.READING, pq.PollingStatus.WRITING) and monotonic() < deadline:
        ready = select.poll()
        ready.register(attempt.socket, select.POLLIN if state == pq.PollingStatus.READING else select.POLLOUT)
        ready.poll(max(deadline - monotonic(), 0.0) * 1000)
        state = attempt.connect_poll()
    failed_for_it = state == pq.PollingStatus.FAILED and attempt.needs_password
    attempt.untrace()
    attempt.finish()
    return failed_for_it
