"""A TOML file that is a list of ``[[entries]]``: read whole, edited one entry at a time."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from daemon import toml_entries
from daemon.errors import ConfigError
from daemon.toml_file import edit, read_text
from daemon.toml_scan import cut


class Identified(Protocol):
    @property
    def id(self) -> str: ...


E = TypeVar("E", bound=Identified)


@dataclass(frozen=True, slots=True)
class _Around:
    """``text`` holds the entry as its ``index``-th; ``before`` and ``after`` are what stands around it in the file."""

    before: str
    text: str
    after: str
    index: int


@dataclass(frozen=True, slots=True)
class EntryFile(Generic[E]):
    """``parse`` gives the entries in the order of the file. Every method raises ``ConfigError``.

    An edit is checked by parsing its result before anything is written; it comes back as it now stands in the file.
    ``again``: the same as ``parse``, and quicker for a text that differs little from the one before. Where it is given,
    an edit looks at the entry and its neighbours instead of the whole text: 10 ms instead of 4 s with 100,000 entries.
    """

    file: Path
    name: str  # "topic" for [[topic]]
    parse: Callable[[str], Sequence[E]]
    again: Callable[[str], Sequence[E]] | None = None

    def load(self) -> Sequence[E]:
        return self._read(read_text(self.file))

    def find(self, entry_id: str) -> E:
        entries = self.load()
        return entries[self._index(entries, entry_id)]

    def add(self, values: Mapping[str, object]) -> E:
        """Appends one entry with these keys."""

        def appended(text: str) -> str:
            self._read(text)  # what is wrong already is told as that, not as the fault of this edit
            return toml_entries.add(text, self.name, values)

        return self._edited(appended)[-1]

    def change(self, entry_id: str, values: Mapping[str, object]) -> E:
        """Sets these keys; a value of None takes the key out, which means its default. The id stays, written or not."""

        def changed(text: str) -> str:
            entries = self._read(text)
            index = self._index(entries, entry_id)
            after = self._changed(text, entries, index, values)
            if self._read(after)[index].id == entry_id:
                return after
            return self._changed(text, entries, index, {"id": entry_id, **values})

        entries = self._edited(changed)
        return entries[self._index(entries, entry_id)]

    def remove(self, entry_id: str) -> None:
        def without(text: str) -> str:
            entries = self._read(text)
            index = self._index(entries, entry_id)
            around = self._around(text, entries, index)
            if around:
                with suppress(ValueError, ConfigError):
                    after = around.before + toml_entries.remove(around.text, self.name, around.index) + around.after
                    if [*self._read(after)] == [*entries[:index], *entries[index + 1 :]]:
                        return after
            return toml_entries.remove(text, self.name, index)

        self._edited(without)

    def _changed(self, text: str, entries: Sequence[E], index: int, values: Mapping[str, object]) -> str:
        around = self._around(text, entries, index)
        if around:
            with suppress(ValueError, ConfigError):
                part = toml_entries.change(around.text, self.name, around.index, values)
                after = around.before + part + around.after
                # Were a string of this very entry what was cut, the entry would not be the one in the part.
                wanted = [*entries[:index], self.parse(part)[around.index], *entries[index + 1 :]]
                if [*self._read(after)] == wanted:
                    return after
        return toml_entries.change(text, self.name, index, values)

    def _around(self, text: str, entries: Sequence[E], index: int) -> "_Around | None":
        """The entry with its neighbours, whose comments touch its own; None where it has to be the whole text."""
        if self.again is None:
            return None
        head, blocks = cut(text, self.name)
        if len(blocks) != len(entries):
            return None
        parts = [head, *blocks]  # the entry is parts[index + 1]
        before, part, after = parts[:index], parts[index : index + 3], parts[index + 3 :]
        found = _Around("".join(before), "".join(part), "".join(after), min(index, 1))
        return found if ("\r\n" in found.text) == ("\r\n" in text) else None

    def _edited(self, change: Callable[[str], str]) -> Sequence[E]:
        result: list[Sequence[E]] = []
        try:
            edit(self.file, change, lambda text: result.append(self._read(text)))
        except toml_entries.NotAnEntry as error:
            raise ConfigError(str(error), file=str(self.file)) from error
        return result[-1]

    def _read(self, text: str) -> Sequence[E]:
        return (self.again or self.parse)(text)

    def _index(self, entries: Sequence[E], entry_id: str) -> int:
        ids = [entry.id for entry in entries]
        if entry_id in ids:
            return ids.index(entry_id)
        close = get_close_matches(entry_id, ids, n=1)
        advice = f'did you mean "{close[0]}"?' if close else f"`wirewatch {self.name}s list` shows them all"
        raise ConfigError(f'there is no {self.name} "{entry_id}", {advice}', file=str(self.file))
