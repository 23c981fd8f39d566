"""What SQLite's error codes ask of the caller: the log and the store are files of the same kind, and fail alike."""

import sqlite3
from typing import Final

DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
PASSING: Final = frozenset({  # what another program, the disk or the operator can put right while we wait
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
})  # fmt: skip


def code_of(error: BaseException | None) -> int:
    """The primary code, without the detail in the upper bits; 0 where SQLite gave none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
