"""The process that parses: `python -m daemon.fetch.parse_child MEMORY CPU ENTRIES NICE`.

    daemon ──▶ stdin:  {"url", "headers"} · body          each part is preceded by its length (4 bytes, big endian)
    daemon ◀── stdout: "ready", then for each body: the name of its type · the value as JSON

It imports the parser and nothing else of weight, holds no secret, and ends when its input ends: also when the daemon
was killed. Answers are JSON, so that a process which a hostile feed has taken over cannot make the daemon run code.
"""

import json
import os
import resource
import struct
import sys
from dataclasses import asdict
from typing import BinaryIO
from xml.sax import SAXException

from daemon.fetch.parsed import NotAFeed, ParsedFeed

OUT_OF_MEMORY = 3  # exit status
_SMALL = b"<rss version='2.0'><channel><item><title>a &amp;amp; b</title></item></channel></rss>"

# what feedparser and its kin have been seen to raise on hostile input; anything else ends this process
_PARSER_ERRORS = (
    ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, SAXException, TypeError, ValueError,
)  # fmt: skip


def main() -> int:
    memory, cpu, max_entries, nice = (int(argument) for argument in sys.argv[1:5])
    os.nice(nice)
    _limit(resource.RLIMIT_AS, memory)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    from daemon.fetch.parse import parse  # here, so that the daemon reads OUT_OF_MEMORY without importing feedparser

    warm = parse(_SMALL, "", {}, max_entries=1)  # imports the rest, and shows that all of it fits into the limits
    if not isinstance(warm, ParsedFeed):
        return 1
    source, target = sys.stdin.buffer, sys.stdout.buffer
    _write(target, b"ready")
    while (head := _read(source)) is not None and (body := _read(source)) is not None:
        _allow_cpu(cpu)
        request = json.loads(head)
        try:
            outcome = parse(body, request["url"], request["headers"], max_entries=max_entries)
            value = _json(outcome)
        except _PARSER_ERRORS as error:
            outcome = NotAFeed(reason=f"the parser gave up on it ({type(error).__name__})", broken=True)
            value = _json(outcome)
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        _write(target, type(outcome).__name__.encode("ascii"))
        _write(target, value)
    return 0


def _json(outcome: ParsedFeed | NotAFeed) -> bytes:
    # halves of characters are no JSON to whoever reads this: for the one item that has them all others would be lost
    return json.dumps(asdict(outcome), ensure_ascii=False).encode("utf-8", "replace")


def _limit(what: int, most: int) -> None:
    """Never above the limit that is in force already."""
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, hard))


def _allow_cpu(seconds: int) -> None:
    """From now on; the kernel ends the process when they are spent."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + seconds + 1)


def _read(source: BinaryIO) -> bytes | None:
    size = source.read(4)
    if len(size) < 4:
        return None
    wanted: int = struct.unpack(">I", size)[0]
    part = source.read(wanted)
    return part if len(part) == wanted else None


def _write(target: BinaryIO, part: bytes) -> None:
    target.write(struct.pack(">I", len(part)) + part)
    target.flush()


if __name__ == "__main__":
    sys.exit(main())
