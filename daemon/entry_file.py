"""A TOML file that is a list of ``[[entries]]``: read whole, edited one entry at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from daemon import toml_entries
from daemon.errors import ConfigError
from daemon.toml_file import edit, read_text


class Identified(Protocol):
    @property
    def id(self) -> str: ...


E = TypeVar("E", bound=Identified)


@dataclass(frozen=True, slots=True)
class EntryFile(Generic[E]):
    """``parse`` gives the entries in the order of the file. Every method raises ``ConfigError``.

    An edit is checked by parsing its result before anything is written; it comes back as it now stands in the file.
    """

    file: Path
    name: str  # "topic" for [[topic]]
    parse: Callable[[str], Sequence[E]]

    def load(self) -> Sequence[E]:
        return self.parse(read_text(self.file))

    def find(self, entry_id: str) -> E:
        entries = self.load()
        return entries[self._index(entries, entry_id)]

    def add(self, values: Mapping[str, object]) -> E:
        """Appends one entry with these keys."""

        def appended(text: str) -> str:
            self.parse(text)  # what is wrong already is told as that, not as the fault of this edit
            return toml_entries.add(text, self.name, values)

        return self._edited(appended)[-1]

    def change(self, entry_id: str, values: Mapping[str, object]) -> E:
        """Sets these keys; a value of None takes the key out, which means its default. The id stays, written or not."""

        def changed(text: str) -> str:
            index = self._index(self.parse(text), entry_id)
            after = toml_entries.change(text, self.name, index, values)
            if self.parse(after)[index].id == entry_id:
                return after
            return toml_entries.change(text, self.name, index, {"id": entry_id, **values})

        entries = self._edited(changed)
        return entries[self._index(entries, entry_id)]

    def remove(self, entry_id: str) -> None:
        def without(text: str) -> str:
            return toml_entries.remove(text, self.name, self._index(self.parse(text), entry_id))

        self._edited(without)

    def _edited(self, change: Callable[[str], str]) -> Sequence[E]:
        result: list[Sequence[E]] = []
        try:
            edit(self.file, change, lambda text: result.append(self.parse(text)))
        except toml_entries.NotAnEntry as error:
            raise ConfigError(str(error), file=str(self.file)) from error
        return result[-1]

    def _index(self, entries: Sequence[E], entry_id: str) -> int:
        ids = [entry.id for entry in entries]
        if entry_id in ids:
            return ids.index(entry_id)
        close = get_close_matches(entry_id, ids, n=1)
        advice = f'did you mean "{close[0]}"?' if close else f"`wirewatch {self.name}s list` shows them all"
        raise ConfigError(f'there is no {self.name} "{entry_id}", {advice}', file=str(self.file))
