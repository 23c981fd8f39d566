"""``wirewatch alerts show``: one alert as it is told, then the history of its story."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from daemon.cli.context import fail, when

if TYPE_CHECKING:
    from consumers.model import Message, Report, Story
    from daemon.store import Store
    from daemon.store.alert_names import Named
    from daemon.store.story_history import History, Telling
    from daemon.store.story_unions import OtherStory
    from daemon.store.verdicts import Verdict

_SHOWN = 12  # characters of an id: no two of a million are alike
_OF_A_DELIVERY = {"delivery_id", "possible_repeat", "page", "thread", "follows"}  # and not of the alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Without a ``message`` where nothing was decided to be told of the story yet."""

    alert_id: str
    message: "Message | None"
    history: "History"
    judged: "tuple[Judged, ...]" = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What somebody said of one of the story's articles."""

    verdict: "Verdict"
    title: str


def look_up(store: "Store", named: "Named", now: float) -> Shown:
    """Exits with a sentence where it is no alert, or is no longer kept."""
    from consumers.errors import Reject
    from consumers.ids import alert_id
    from daemon.store.outbox import Outbox
    from daemon.store.story_history import history

    if named.message_id:
        _no_alert(named)
    found = history(store, named.story_id, now)
    if found is None:
        fail(f"{(named.alert_id or named.story_id)[:_SHOWN]} cannot be shown: its story is no longer kept")
    told = {each.alert_id for each in found.tellings if each.state} | {found.union.root} | set(found.union.came_from)
    own = alert_id(found.story.topic_id, named.story_id, "first", 1)
    chosen = named.alert_id or (own if own in told else found.union.root)
    judged = tuple(_judged(store, found.story))
    if not chosen:
        return Shown(alert_id="", message=None, history=found, judged=judged)
    try:
        return Shown(alert_id=chosen, message=Outbox(store).message(chosen), history=found, judged=judged)
    except Reject as error:
        fail(f"the alert {chosen[:_SHOWN]} cannot be shown: {error.reason}")


def _judged(store: "Store", story: "Story") -> "Iterator[Judged]":
    """The newest first."""
    from daemon.store.story_details import detail
    from daemon.store.verdicts import Verdicts

    found = detail(store, story.id)
    titles = {each.match.article.id: each.match.article.title for each in found.joined} if found else {}
    for verdict in Verdicts(store).of(story.topic_id):
        if verdict.article_id in titles:
            yield Judged(verdict=verdict, title=titles[verdict.article_id])


def _no_alert(named: "Named") -> None:
    if not named.carried:
        fail(f"that is a message of its own and no alert: {named.title}")
    alerts = ", ".join(dict.fromkeys(each[:_SHOWN] for each in named.carried))
    fail(f"that is the message “{named.title}”: show one of the alerts in it: {alerts}")


def as_told(shown: Shown, *, now: float, width: int, colour: bool) -> str:
    """The alert as a channel shows it; what came after it follows in ``lines``."""
    from consumers.notify.console import render

    story = shown.history.story
    if shown.message is None:
        told = "no alert of its own" if story.stage in ("told", "escalated") else "not told"
        return f"{story.topic_id} · {told}\n{story.title}\n"
    message = replace(shown.message, timeline=(), status=(), merged_into="")
    return render(message, now=now, width=width, colour=colour)


def lines(shown: Shown, now: float) -> Iterator[str]:
    """For a terminal, and hostile until they are made plain."""
    from consumers.holding import muted_by

    history = shown.history
    alert = f"alert {shown.alert_id[:_SHOWN]} of the " if shown.alert_id else ""
    yield f"{alert}story {history.story.id[:_SHOWN]}, topic {history.story.topic_id}"
    yield from _others(shown)
    for mute in history.mutes:
        early = "; new facts end it early" if mute.until_new_facts else ""
        yield f"M{muted_by(mute, now)[1:]}{early}"
    for each in shown.judged:
        said = "relevant" if each.verdict.relevant else "not relevant"
        note = f": {each.verdict.note}" if each.verdict.note else ""
        yield f"Said to be {said} by {each.verdict.by or 'somebody'}, {when(each.verdict.at)}: “{each.title}”{note}"
    yield from _added(shown)
    yield from _reports(history)
    yield from _ledger(history)


def _others(shown: Shown) -> Iterator[str]:
    into = shown.history.merged_into(shown.alert_id)
    for other in (*((into,) if into else ()), *shown.history.absorbed(shown.alert_id)):
        since = "" if other.since is None else f" since {when(other.since)}"
        yield f"One story{since} with “{other.title}” ({_named(other)}; this alert {shown.alert_id[:_SHOWN]})"
    for other in shown.history.apart:
        yield f"Split by hand: not the story “{other.title}” ({_named(other)})"


def _named(other: "OtherStory") -> str:
    return f"alert {other.alert_id[:_SHOWN]}" if other.alert_id else f"story {other.story_id[:_SHOWN]}"


def _added(shown: Shown) -> Iterator[str]:
    from consumers.notify.wording import fact_quote, fact_text, source_name
    from daemon.history_words import told_with

    history, message = shown.history, shown.message
    new = {fact.key for fact in message.facts} if message else set()
    facts = [fact for fact in history.story.facts if fact.key not in new]
    if facts:
        yield "Added by reports" if message is None or message.kind == "first" else "Added by other reports"
    for fact in facts:
        channels = told_with(fact, history.tellings)
        told = f", told on {', '.join(channels)}" if channels else ""
        yield f"  {when(fact.at)}  {fact_text(fact)} ({source_name(fact.source)}){told}"
        if quote := fact_quote(fact):
            yield f"    {quote}"


def _reports(history: "History") -> Iterator[str]:
    from consumers.notify.wording import counted
    from daemon.history_words import divided

    story = history.story
    shown, _ = divided(story.reports, story.facts)
    articles = max(story.articles, len(story.reports))
    sources = len({report.source for report in story.reports})
    yield f"Reports: {articles} of {counted(sources, 'source')}, {story.independent} independent"
    for report in shown:
        yield from _report(report)
    if articles > len(shown):
        yield f"  {articles - len(shown)} more added nothing new"


def _report(report: "Report") -> "Sequence[str]":
    copied = f" (copy of {report.copy_of})" if report.copy_of else ""
    said = f"  {when(report.at)}  {report.source}{copied}: {report.title}"
    return [said, f"    {report.url}"] if report.url else [said]


def _ledger(history: "History") -> Iterator[str]:
    channel = None
    yield "Ledger"
    for telling in history.tellings:
        if telling.channel != channel:
            channel = telling.channel
            yield f"  {channel or 'no channel'}"
        yield from _telling(telling, history)


def _telling(telling: "Telling", history: "History") -> Iterator[str]:
    from daemon.history_words import facts, kind, stands, steps

    yield f"    {kind(telling)} {telling.alert_id[:_SHOWN]}: {stands(telling, when, story=history.story)}"
    for line in facts(telling):
        yield f"      {line}"
    for at, what in steps(telling, when):
        yield f"      {when(at)}  {what}"


# -- for programs


def record(shown: Shown) -> dict[str, Any]:
    history = shown.history
    story = asdict(history.story)
    del story["known"]
    message = asdict(shown.message) if shown.message else {}
    into = history.merged_into(shown.alert_id)
    tellings = [_telling_record(each) for each in history.tellings]
    return {
        **{name: value for name, value in message.items() if name not in _OF_A_DELIVERY},
        "alert_id": shown.alert_id,
        "story": story,
        "timeline": story["facts"],
        "merged_into": asdict(into) if into else None,
        "absorbed": [asdict(each) for each in history.absorbed(shown.alert_id)],
        "apart": [asdict(each) for each in history.apart],
        "mutes": [asdict(mute) for mute in history.mutes],
        "verdicts": [asdict(each.verdict) for each in shown.judged],
        "deliveries": [each for each in tellings if each["alert_id"] == shown.alert_id and each["state"]],
        "ledger": tellings,
    }


def _telling_record(telling: "Telling") -> dict[str, Any]:
    steps = [{"at": step.at, "event": step.event, "why": step.why} for step in telling.steps]
    return {"id": telling.delivery_id, **asdict(telling), "steps": steps}
