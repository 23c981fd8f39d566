"""A TOML file that people and commands edit: read with positions, replaced atomically, one editor at a time."""

import fcntl
import os
import re
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from daemon.errors import ConfigError

Document = Mapping[str, object]

LARGEST = 20_000_000  # bytes; a hundred thousand feeds fit
ATTEMPTS = 20  # times an edit starts over because somebody saved the file meanwhile
PATIENCE = 10.0  # seconds to wait for another command's edit
BOM = b"\xef\xbb\xbf"
PLACE = re.compile(r"at line (\d+), column \d+")


def read_text(file: Path) -> str:
    """The text as it is, line ends included. Raises ``ConfigError``."""
    return _decoded(_content(file), file)


def read_toml(text: str, file: Path) -> dict[str, object]:
    """Raises ``ConfigError`` with line and column where the text is no TOML."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ConfigError(f"this is not valid TOML: {why}", file=str(file), line=_line(text, why)) from error


def edit(file: Path, change: Callable[[str], str], check: Callable[[str], object]) -> None:
    """Replaces the text of ``file`` by ``change`` of it, once ``check`` has accepted the result.

    Edits of several processes take turns, and each sees what the one before it wrote. A save by an editor, which
    takes no turns, is noticed before the file is replaced, and the change is made again on what was saved. ``change``
    and ``check`` may raise ``ConfigError``; then nothing is written.
    """
    target = Path(os.path.realpath(file))  # a link stays a link
    with _turn(target):
        for _ in range(ATTEMPTS):
            before = _content(target) if target.exists() else b""
            after = change(_decoded(before, file))
            check(after)
            mark = BOM if before.startswith(BOM) else b""
            if _replace(target, before, mark + after.encode()):
                return
    raise ConfigError("somebody else saves it again and again: try once more", file=str(file))


def _content(file: Path) -> bytes:
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError("there is no such file: `wirewatch init` writes one", file=str(file)) from error
    except OSError as error:
        raise ConfigError(f"it cannot be read ({error.strerror})", file=str(file)) from error
    if len(content) > LARGEST:
        raise ConfigError(f"it is larger than {LARGEST // 1_000_000} MB: is it the right file?", file=str(file))
    return content


def _decoded(content: bytes, file: Path) -> str:
    try:
        return content.removeprefix(BOM).decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError("this is not UTF-8: save the file as UTF-8 text", file=str(file), line=line) from error


def _line(text: str, why: str) -> int:
    """Before Python 3.14 the parser tells the line nowhere but in its sentence, or "at end of document"."""
    place = PLACE.search(why)
    return int(place[1]) if place else text.rstrip().count("\n") + 1


@contextmanager
def _turn(target: Path) -> Iterator[None]:
    lock = target.with_name(f".{target.name}.lock")
    try:
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o666)
    except OSError as error:
        raise ConfigError(f"the folder cannot be written ({error.strerror})", file=str(target)) from error
    try:
        _wait_for(descriptor, target)
        yield
    finally:
        os.close(descriptor)  # gives the lock back; the file stays, or two could lock two files of one name


def _wait_for(descriptor: int, target: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise ConfigError("another command is editing it: try again", file=str(target)) from error
            time.sleep(0.02)
        else:
            return


def _replace(target: Path, before: bytes, after: bytes) -> bool:
    """False where the file no longer holds ``before``. Readers see the old text or the new one, never a part."""
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".new", dir=target.parent)
        with open(descriptor, "wb") as new:  # noqa: PTH123 - mkstemp gives a descriptor
            new.write(after)
            new.flush()
            os.fchmod(new.fileno(), _mode(target))
            os.fsync(new.fileno())
        if (target.read_bytes() if target.exists() else b"") != before:
            return False
        os.replace(temporary, target)  # noqa: PTH105 - beside its siblings of os
        temporary = ""
        _sync_folder(target.parent)
    except OSError as error:
        raise ConfigError(f"it cannot be written ({error.strerror})", file=str(target)) from error
    finally:
        if temporary:
            with suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108 - the same
    return True


def _mode(target: Path) -> int:
    return target.stat().st_mode & 0o7777 if target.exists() else 0o644


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
