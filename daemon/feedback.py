"""Verdicts are kept, and become a proposal: nothing of it changes matching until somebody accepts it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from consumers.model import Topic
from daemon.clock import Clock
from daemon.errors import Unusable
from daemon.examples import copy_of
from daemon.proposals import changes, proposed
from daemon.store import Store
from daemon.store.archive import Archive
from daemon.store.examples import ARTICLE, Examples
from daemon.store.topics import TopicVersions
from daemon.store.verdicts import Proposal, Proposals, Verdict, Verdicts


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody says of an article."""

    article_id: str
    relevant: bool
    note: str = ""


class Feedback:
    """Of one topic each time. Every method raises ``Unavailable``."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._archive = Archive(store)
        self._examples = Examples(store)
        self._versions = TopicVersions(store)
        self._verdicts = Verdicts(store)
        self._proposals = Proposals(store)
        self._clock = clock

    def say(self, topic_id: str, said: Sequence[Said], by: str) -> Proposal | None:
        """Keep these verdicts and the texts that they are about; what is proposed by now.

        Raises ``Unusable`` where the topic was never in force or an article is not kept; then nothing is.
        """
        self._in_force(topic_id)
        archived = {each.article.id: each.article for each in self._archive.by_id([each.article_id for each in said])}
        for each in said:
            if each.article_id not in archived:
                raise Unusable(f'no article with the id "{each.article_id}" is kept: see `wirewatch topics review`')
        now = self._clock.now()
        self._examples.put([copy_of(article, ARTICLE + key, now) for key, article in archived.items()])
        self._verdicts.put(
            [
                Verdict(
                    topic_id=topic_id,
                    article_id=each.article_id,
                    relevant=each.relevant,
                    by=by,
                    note=each.note,
                    at=now,
                )
                for each in said
            ]
        )
        return self.propose(topic_id)

    def propose(self, topic_id: str) -> Proposal | None:
        """Made anew from the open verdicts and the version in force; None where they would change nothing.

        Raises ``Unusable`` where the topic is not in force.
        """
        said = self._verdicts.of(topic_id, "open")
        topic = self._in_force(topic_id)
        wanted = proposed(topic, said, self.urls(said))
        if not said or not changes(topic, wanted):
            self._proposals.drop(topic_id)
            return None
        known = self._proposals.get(topic_id)
        at = max([self._clock.now(), *(each.at for each in said)])  # the clocks of two machines may differ
        fresh = Proposal(topic_id=topic_id, base_version=topic.version, topic=wanted, at=at)
        if known is not None and replace(known, at=at, report="") == fresh:
            return known
        self._proposals.put(fresh)
        return fresh

    def tested(self, topic_id: str, at: float, report: str) -> None:
        """Keeps the back-test of the proposal made at that time, unless there is another one by now."""
        known = self._proposals.get(topic_id)
        if known is not None and known.at == at:
            self._proposals.put(replace(known, report=report))

    def accepted(self, topic_id: str, until: float) -> int:
        """The verdicts given so far, and their proposal, are done; how many it were. Later ones stay open."""
        said = [each for each in self._verdicts.of(topic_id, "open") if each.at <= until]
        done = self._verdicts.settle(said, "accepted")
        self._proposals.drop(topic_id)
        return done

    def drop(self, topic_id: str) -> int:
        """Forget the open verdicts and what they propose; how many it were."""
        done = self._verdicts.settle(self._verdicts.of(topic_id, "open"), "dropped")
        self._proposals.drop(topic_id)
        return done

    def urls(self, said: Sequence[Verdict]) -> Mapping[str, str]:
        """Canonical URLs by article, where they have one."""
        known = self._examples.get([ARTICLE + each.article_id for each in said])
        return {ref.removeprefix(ARTICLE): example.url for ref, example in known.items() if example.url}

    def _in_force(self, topic_id: str) -> Topic:
        history = self._versions.history(topic_id)
        if not history or history[0].topic is None:
            raise Unusable(f"{topic_id} is not in force yet: it takes effect when `wirewatch run` starts")
        return history[0].topic


def verbs(store: Store, clock: Clock) -> Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]:
    """What a command asks the owner of the data directory for."""
    feedback = Feedback(store, clock)

    def say(args: dict[str, Any]) -> dict[str, Any]:
        note = str(args.get("note", ""))
        said = [Said(str(article_id), bool(relevant), note) for article_id, relevant in args["said"].items()]
        return {"proposed": feedback.say(str(args["topic_id"]), said, str(args["by"])) is not None}

    def propose(args: dict[str, Any]) -> dict[str, Any]:
        return {"proposed": feedback.propose(str(args["topic_id"])) is not None}

    def tested(args: dict[str, Any]) -> dict[str, Any]:
        feedback.tested(str(args["topic_id"]), float(args["at"]), str(args["report"]))
        return {}

    def accepted(args: dict[str, Any]) -> dict[str, Any]:
        return {"done": feedback.accepted(str(args["topic_id"]), float(args["until"]))}

    def drop(args: dict[str, Any]) -> dict[str, Any]:
        return {"done": feedback.drop(str(args["topic_id"]))}

    return {
        "topics.verdict": say,
        "topics.propose": propose,
        "topics.tested": tested,
        "topics.accepted": accepted,
        "topics.drop": drop,
    }
