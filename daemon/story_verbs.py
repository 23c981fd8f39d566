"""What a command asks the owner of the data directory for: to make two stories of one, or one of two."""

from collections.abc import Callable, Mapping
from typing import Any

from consumers.notify.wording import one_line
from daemon.clock import Clock
from daemon.store import Store
from daemon.store.story_edits import StoryEdits

_MOST_NAME = 80  # characters


def verbs(store: Store, clock: Clock) -> Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]:
    """Both take whole ids and the name of whoever asks."""
    edits = StoryEdits(store)

    def split(args: dict[str, Any]) -> dict[str, Any]:
        ids = [str(each) for each in args["articles"]]
        done = edits.split(str(args["story"]), ids, by=_name(args), now=clock.now())
        return {"story": done.kept.id, "split_off": done.split_off.id, "moved": len(done.moved)}

    def merge(args: dict[str, Any]) -> dict[str, Any]:
        both = edits.merge(str(args["story"]), str(args["other"]), by=_name(args), now=clock.now())
        return {"story": both.id, "articles": both.articles}

    return {"stories.split": split, "stories.merge": merge}


def _name(args: dict[str, Any]) -> str:
    return one_line(str(args.get("by", "")), _MOST_NAME) or "somebody"
