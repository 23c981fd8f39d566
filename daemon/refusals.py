"""Which channels refused everything, and which of them get another chance. In memory; the store has what it follows."""

from collections.abc import Mapping

from daemon.store.outbox import Disabled


class Refusals:
    """One thread. A channel that refused is left alone until somebody has it tried again.

    That is: at a start, since whoever restarts may have just mended it; with changed settings; by hand; and once where
    another sender was refused with other settings than ours.
    """

    def __init__(self) -> None:
        self._disabled: dict[str, Disabled] = {}
        self._another_chance: set[str] = set()
        self._tried: set[tuple[str, str]] = set()  # (channel, hash of the settings that were refused)

    def begin(self, found: Mapping[str, Disabled]) -> None:
        self._disabled = dict(found)
        self._another_chance = set(found)

    def __contains__(self, name: str) -> bool:
        return name in self._disabled

    def get(self, name: str) -> Disabled | None:
        return self._disabled.get(name)

    def may_try(self, name: str) -> bool:
        return name not in self._disabled or name in self._another_chance

    def set_settings(self, hashes: Mapping[str, str]) -> None:
        """The settings in force now, by channel."""
        for name, disabled in self._disabled.items():
            if name in hashes and hashes[name] != disabled.settings_hash:
                self._another_chance.add(name)

    def refused(self, name: str, disabled: Disabled) -> None:
        self._disabled[name] = disabled
        self._another_chance.discard(name)
        self._tried.add((name, disabled.settings_hash))

    def works(self, name: str) -> bool:
        """Whether it was disabled before."""
        self._another_chance.discard(name)
        return self._disabled.pop(name, None) is not None

    def heed(self, name: str, found: Disabled | None, settings_hash: str) -> bool:
        """What other senders found; whether it is news. ``settings_hash`` is of our own settings."""
        if found == self._disabled.get(name):
            return False
        if found is None:
            self.works(name)
            return True
        self._disabled[name] = found
        if settings_hash != found.settings_hash and (name, settings_hash) not in self._tried:
            self._another_chance.add(name)
        return True
