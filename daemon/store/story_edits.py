"""What people change of stories, in one transaction: the rows, the ledger, the messages that live.

An edit raises the turn of the topic, so an alerter that remembers the stories as they were reads them again before it
decides. Nobody is pinged for an edit: what shows the stories says what was done and by whom.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from sqlalchemy import Connection, select, update

from consumers.ids import alert_id, delivery_id
from consumers.ledger import LedgerEvent, Step
from consumers.model import Match, Story
from consumers.stories import Joined
from consumers.story_hands import Parted, made_one, parted
from consumers.updates import at_least
from daemon.errors import Unusable
from daemon.store import Store, ledger
from daemon.store.living import raise_wanted
from daemon.store.story_rows import match_row, merge, story_row, told
from daemon.store.tables import alerts, deliveries, stories, story_matches, story_turns
from daemon.store.upsert import insert_new, upsert
from daemon.wire import from_json


class StoryEdits:
    """Threads may share it. Every method raises ``Unavailable``, or ``Unusable`` with a sentence; then nothing is done.

    ``by`` is a person's name.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def split(self, story_id: str, ids: Collection[str], *, by: str, now: float) -> Parted:
        """These matches, named by their own ids or by those of their articles, are a story of their own from now on.

        Where the story was told, both count as told.
        """
        with self._store.write() as connection:
            (story,) = _locked(connection, [story_id])
            joined = _matches_of(connection, story.id)
            moved = {each.match.id for each in joined if {each.match.id, each.match.article.id} & set(ids)}
            found = {
                name for each in joined if each.match.id in moved for name in (each.match.id, each.match.article.id)
            }
            if missing := sorted(set(ids) - found):
                raise Unusable(
                    f"the story has no article {missing[0][:12]}: see `wirewatch stories show {story.id[:12]}`"
                )
            if not moved or len(moved) == len(joined):
                raise Unusable("name some of the story's articles and not all of them")
            done = parted(story, joined, moved, lambda name: _known(connection, name))
            upsert(stories, [story_row(done.kept), story_row(done.split_off)], connection=connection)
            upsert(story_matches, [match_row(each) for each in done.moved], connection=connection)
            reports = "1 report moved" if len(moved) == 1 else f"{len(moved)} reports moved"
            channels = _note(connection, story, "split", f"split by {by}: {reports}", now)
            _first_steps(connection, done.split_off, channels, "split", f"split off by {by}: {reports}", now)
            raise_wanted(connection, [story.id, done.split_off.id], now)
        return done

    def merge(self, story_id: str, other_id: str, *, by: str, now: float) -> Story:
        """The other story becomes part of this one; what was told of either counts as told of both."""
        if story_id == other_id:
            raise Unusable("these are the same story already")
        with self._store.write() as connection:
            story, other = _locked(connection, [story_id, other_id])
            if story.topic_id != other.topic_id:
                raise Unusable(f"one story is of {story.topic_id}, the other of {other.topic_id}: they cannot be one")
            both, merged = made_one(story, other, now)
            upsert(stories, [story_row(both)], connection=connection)
            if not told(connection, other.id):
                _first_steps(
                    connection, replace(other, id=both.id), [""], "merged", f"merged by {by} with: {other.title}", now
                )
            merge(connection, merged, by=by)
            raise_wanted(connection, [both.id], now)
        return both


def _locked(connection: Connection, story_ids: Sequence[str]) -> Sequence[Story]:
    """In that order, and nobody else writes stories of their topics before the transaction ends."""
    for topic_id in sorted({_story(connection, each).topic_id for each in story_ids}):
        insert_new(story_turns, [{"topic_id": topic_id, "turn": 0}], connection=connection)
        raised = update(story_turns).where(story_turns.c.topic_id == topic_id).values(turn=story_turns.c.turn + 1)
        connection.execute(raised)
    return [_story(connection, each) for each in story_ids]  # once more: as the last one left them


def _story(connection: Connection, story_id: str) -> Story:
    text = connection.execute(select(stories.c.story).where(stories.c.id == story_id)).scalar()
    if text is None:
        raise Unusable(f"there is no story {story_id[:12]} any more: see `wirewatch stories list`")
    story = from_json(Story, text)
    if story.merged_into:
        raise Unusable(f"the story {story_id[:12]} is part of {story.merged_into[:12]} by now")
    if connection.execute(select(alerts.c.id).where(alerts.c.story_id == story_id).limit(1)).first():
        return at_least(story, "told")  # also where an older release told it
    return story


def _matches_of(connection: Connection, story_id: str) -> Sequence[Joined]:
    query = select(story_matches.c.match, story_matches.c.at).where(story_matches.c.story_id == story_id)
    rows = connection.execute(query).all()
    return [Joined(match=from_json(Match, row.match), story_id=story_id, at=row.at) for row in rows]


def _known(connection: Connection, story_id: str) -> bool:
    return connection.execute(select(stories.c.id).where(stories.c.id == story_id)).first() is not None


def _note(connection: Connection, story: Story, event: LedgerEvent, why: str, now: float) -> Sequence[str]:
    """A step of each delivery of the story; of its first alert, where nothing was told yet. Returns the channels."""
    ids = told(connection, story.id)
    if not ids:
        _first_steps(connection, story, [""], event, why, now)
        return [""]
    ledger.tell(connection, ids, event, now, why)
    mine = select(deliveries.c.channel).join(alerts, alerts.c.id == deliveries.c.alert_id)
    return connection.execute(mine.where(alerts.c.story_id == story.id).distinct()).scalars().all()


def _first_steps(
    connection: Connection, story: Story, channels: Iterable[str], event: LedgerEvent, why: str, now: float
) -> None:
    """Of the first alert that the story would have, so that its history is not empty."""
    first = alert_id(story.topic_id, story.id, "first", 1)
    steps = [
        Step(
            delivery_id=delivery_id(first, channel),
            alert_id=first,
            topic_id=story.topic_id,
            story_id=story.id,
            channel=channel,
            at=now,
            event=event,
            why=why,
        )
        for channel in channels
    ]
    ledger.write(connection, steps)
