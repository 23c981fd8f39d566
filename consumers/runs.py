"""What a pattern finds in a text that no match reaches over a space in: run by run, and most runs come again."""

import re
from collections.abc import Callable
from functools import lru_cache

_LONGEST = 24  # characters of a run: longer ones seldom come again
_REMEMBERED = 65_536  # runs


def by_run(pattern: re.Pattern[str], is_whole: Callable[[str], bool]) -> Callable[[str], list[str]]:
    """``pattern.findall`` of a text, in half the time. ``is_whole``: the run is one match, no pattern is needed."""

    @lru_cache(maxsize=_REMEMBERED)
    def remembered(run: str) -> list[str]:
        return pattern.findall(run)

    def findall(text: str) -> list[str]:
        found: list[str] = []
        for run in text.split():
            if is_whole(run):
                found.append(run)
            else:
                found += remembered(run) if len(run) <= _LONGEST else pattern.findall(run)
        return found

    return findall
