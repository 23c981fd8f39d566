"""Where things stand in a TOML text. The parsers say what a file means, not on which line it says so.

The text has to be valid TOML already (``tomllib`` accepted it), so the scan only has to find its way, not to judge.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Path = tuple[str | int, ...]

BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
SPACE = re.compile(r"[ \t]*")
BARE = re.compile(r"[A-Za-z0-9_-]+")
SCALAR = re.compile(r"[^,\]}#\n\r]+")
STRINGS = {  # the closing quotes of a multi-line string may be preceded by one or two of their kind
    '"""': re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}', re.DOTALL),
    "'''": re.compile(r"'''(?:[^']|'(?!''))*'{3,5}", re.DOTALL),
    '"': re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    "'": re.compile(r"'[^'\n]*'"),
}


@dataclass(frozen=True, slots=True)
class Header:
    """``[a.b]`` or ``[[a.b]]``. ``start`` is the offset of its line, ``path`` where its table is in the document."""

    start: int
    path: Path
    repeated: bool


@dataclass(frozen=True, slots=True)
class Scan:
    """``offsets`` of every key, table and array item; ``ends`` of every header and key with its value, in order."""

    text: str
    offsets: Mapping[Path, int]
    headers: tuple[Header, ...]
    ends: tuple[int, ...]

    def line(self, path: Path) -> int:
        """Counts from 1; of the nearest table around ``path`` where that is missing; 0 where nothing is."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.offsets:
                return self.text.count("\n", 0, self.offsets[path[:length]]) + 1
        return 0


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.offsets: dict[Path, int] = {}
        self.headers: list[Header] = []
        self.ends: list[int] = []
        self.counts: dict[Path, int] = {}  # of [[tables]], by path

    def run(self) -> Scan:
        table: Path = ()
        while self.skip(BLANK) < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.ends.append(self.at)
        return Scan(self.text, self.offsets, tuple(self.headers), tuple(self.ends))

    def skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at

    def eat(self, token: str) -> bool:
        found = self.text.startswith(token, self.at)
        self.at += len(token) if found else 0
        return found

    def header(self) -> Path:
        start = self.at
        repeated = self.eat("[[") or not self.eat("[")
        path = self.resolved(self.key())
        if repeated:
            number = self.counts.get(path, -1) + 1
            self.counts[path] = number
            self.note(path, start)
            path = (*path, number)
        self.note(path, start)
        self.eat("]]" if repeated else "]")
        self.headers.append(Header(self.text.rfind("\n", 0, start) + 1, path, repeated))
        return path

    def resolved(self, key: Path) -> Path:
        """``[a.b]`` means the newest ``[[a]]`` where a is repeated."""
        path: Path = ()
        for part in key[:-1]:
            path = (*path, part)
            path = (*path, self.counts[path]) if path in self.counts else path
        return (*path, key[-1])

    def key(self) -> Path:
        parts: list[str] = []
        while True:
            self.skip(SPACE)
            parts.append(self.key_part())
            self.skip(SPACE)
            if not self.eat("."):
                return tuple(parts)

    def key_part(self) -> str:
        start = self.at
        quote = self.text[start : start + 1]
        if quote in ("'", '"'):
            self.skip(STRINGS[quote])
            return str(tomllib.loads(f"key = {self.text[start : self.at]}")["key"])
        self.skip(BARE)
        if self.at == start:
            raise ValueError(f"no key at offset {start}")
        return self.text[start : self.at]

    def note(self, path: Path, offset: int) -> None:
        for length in range(1, len(path) + 1):
            self.offsets.setdefault(path[:length], offset)

    def pair(self, table: Path) -> None:
        start = self.at
        path = (*table, *self.key())
        self.note(path, start)
        self.eat("=")
        self.skip(SPACE)
        self.value(path)

    def value(self, path: Path) -> None:
        opening = self.text[self.at : self.at + 1]
        if opening == "[":
            for number in self.items("[", "]"):
                self.note((*path, number), self.at)
                self.value((*path, number))
        elif opening == "{":
            for _ in self.items("{", "}"):
                self.pair(path)
        else:
            quote = next((quote for quote in STRINGS if self.text.startswith(quote, self.at)), None)
            before = self.at
            if self.skip(STRINGS[quote] if quote else SCALAR) == before:
                raise ValueError(f"no value at offset {before}")

    def items(self, opening: str, closing: str) -> Iterator[int]:
        """Stands at each item of an array or inline table in turn."""
        self.eat(opening)
        number = 0
        self.skip(BLANK)
        while not self.eat(closing):
            if self.at >= len(self.text):
                raise ValueError(f"no {closing} to the end")
            yield number
            number += 1
            self.skip(BLANK)
            self.eat(",")
            self.skip(BLANK)


def scan(text: str) -> Scan:
    """Raises ``ValueError`` on what is no TOML."""
    return _Scanner(text).run()


def cut(text: str, name: str) -> tuple[str, list[str]]:
    """The text up to the first line that begins with ``[[name]]``, and a part from each of them to the next.

    Together they are the text. A line inside a string may look like that too: who needs to know parses the parts.
    """
    header = f"[[{name}]]"
    above, *parts = f"\n{text}".split(f"\n{header}")
    if not parts:
        return text, []
    return f"{above}\n"[1:], [*(f"{header}{part}\n" for part in parts[:-1]), f"{header}{parts[-1]}"]
