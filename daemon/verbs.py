"""What a command changes through whoever owns the log and the store: by name, with JSON in and out."""

from collections.abc import Callable, Mapping
from typing import Any

from daemon.clock import Clock
from daemon.feedback import verbs as feedback_verbs
from daemon.log import Log
from daemon.mutes import verbs as mute_verbs
from daemon.replay import verbs as replay_verbs
from daemon.store import Store, dead_letters, models
from daemon.store.outbox import Outbox
from daemon.story_verbs import verbs as story_verbs

Verb = Callable[[dict[str, Any]], dict[str, Any]]


def verbs(store: Store, log: Log, clock: Clock) -> Mapping[str, Verb]:
    outbox = Outbox(store)

    def enable(args: dict[str, Any]) -> dict[str, Any]:
        outbox.enable(str(args["name"]), clock.now())
        return {}

    return {
        "channels.enable": enable,
        **dead_letters.verbs(dead_letters.DeadLetters(store), log),
        **replay_verbs(store, log, clock),
        **feedback_verbs(store, clock),
        **models.verbs(models.Models(store), clock),
        **mute_verbs(store, clock),
        **story_verbs(store, clock),
    }
