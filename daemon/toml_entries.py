"""Adds, changes and removes one ``[[entry]]`` of a TOML text; every other byte stays as it is.

tomlkit keeps the comments and the order inside the entry that changes. It is not given the whole file: it counts the
comment above an entry as the end of the entry before, and would remove it together with that one.
"""

from collections.abc import Mapping
from typing import cast

import tomlkit
from tomlkit.items import AoT, InlineTable, Item

from daemon.toml_scan import Scan, scan


class NotAnEntry(ValueError):
    """The text lists its entries in a way that cannot be edited piece by piece."""


def add(text: str, name: str, values: Mapping[str, object]) -> str:
    """With a new ``[[name]]`` at the end."""
    if text and not text.endswith("\n"):
        text += _newline(text)
    gap = _newline(text) if text.strip() else ""
    lines = [f"[[{name}]]", *(f"{key} = {rendered(value)}" for key, value in values.items()), ""]
    return text + gap + _newline(text).join(lines)


def change(text: str, name: str, index: int, values: Mapping[str, object]) -> str:
    """With these keys of the ``index``-th ``[[name]]`` set; a value of None removes its key."""
    start, end = _body(scan(text), name, index)
    body = text[start:end]
    document = tomlkit.parse(body if body.endswith("\n") else body + _newline(text))
    entry = cast(AoT, document[name])[0]
    for key, value in values.items():
        if value is None:
            entry.pop(key, None)
        else:
            entry[key] = _item(value)
    changed = tomlkit.dumps(document)
    if "\r\n" in text:
        changed = changed.replace("\r\n", "\n").replace("\n", "\r\n")
    return text[:start] + changed + text[end:]


def remove(text: str, name: str, index: int) -> str:
    """Without the ``index``-th ``[[name]]``, the comment lines that touch it, and the blank lines after it."""
    found = scan(text)
    start, end = _body(found, name, index)
    start = _with_comment_above(text, start)
    end = _with_comment_below(text, end)
    rest = text[end:]
    blank = len(rest) - len(rest.lstrip())
    kept = rest[rest.rfind("\n", 0, blank) + 1 :] if blank < len(rest) else ""
    before = text[:start]
    return before + kept if kept else before.rstrip() + _newline(text) if before.strip() else ""


def _body(found: Scan, name: str, index: int) -> tuple[int, int]:
    """From the line of the entry's header to the end of the line of its last value."""
    mine = [place for place, header in enumerate(found.headers) if header.path[:2] == (name, index)]
    if not mine:
        raise NotAnEntry(f"write each one as a table of its own under [[{name}]]")
    if mine != list(range(mine[0], mine[-1] + 1)):
        raise NotAnEntry("its tables stand in several places of the file: edit it by hand")
    start = found.headers[mine[0]].start
    following = found.headers[mine[-1] + 1].start if mine[-1] + 1 < len(found.headers) else len(found.text) + 1
    last = max(end for end in found.ends if start < end <= following)
    line_end = found.text.find("\n", last)
    return start, len(found.text) if line_end < 0 else line_end + 1


def _with_comment_above(text: str, start: int) -> int:
    """Comment lines right above an entry are about it, unless they open the file."""
    above = start
    while above > 0:
        line = text.rfind("\n", 0, above - 1) + 1
        if not text[line:above].lstrip().startswith("#"):
            return above
        above = line
    return start


def _with_comment_below(text: str, end: int) -> int:
    """Comment lines right below an entry are about it, unless they touch the next entry."""
    below = end
    while text[below:].lstrip(" \t").startswith("#"):
        line_end = text.find("\n", below)
        below = len(text) if line_end < 0 else line_end + 1
    return end if text[below:].lstrip(" \t").startswith("[") else below


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def rendered(value: object) -> str:
    """As it stands behind ``key =``."""
    return _item(value).as_string()


def _item(value: object) -> Item:
    if isinstance(value, Mapping):
        table: InlineTable = tomlkit.inline_table()
        table.update(value)
        return table
    if isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
        array = tomlkit.array()  # of a list of tables tomlkit itself would make [[tables]] of their own
        array.extend([_item(each) for each in value])
        return array
    item: Item = tomlkit.item(list(value) if isinstance(value, tuple) else value)
    return item
