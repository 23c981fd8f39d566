"""``wirewatch topics review``: what is near the line is judged; the verdicts become a proposal, and nothing else."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.context import echo_json, fail, iso, load_settings, open_read, plain, program, user, when
from daemon.cli.topics_applied import Json, TopicId, topics_file_of
from daemon.cli.topics_proposal import print_proposal, proposal_of, verdicts_said
from daemon.cli.tried import quoted

if TYPE_CHECKING:
    from consumers.model import Article, Topic
    from daemon.review import Item
    from daemon.store import Store

DAY = 86_400.0
_ID = 12  # characters of an id in a list: no two of a million are alike


@dataclass(frozen=True, slots=True)
class Shown:
    """``matches`` of these days in all, ``more`` of which are further above the line than those among ``items``."""

    topic: "Topic"
    items: "Sequence[Item]"
    matches: int
    days: int


def review(
    ctx: typer.Context,
    topic_id: TopicId,
    days: Annotated[int, typer.Option(min=1, help="Articles of the last so many days.")] = 7,
    relevant: Annotated[
        list[str] | None, typer.Option(metavar="ARTICLE", help="This one belongs to the topic: its id or URL.")
    ] = None,
    not_relevant: Annotated[
        list[str] | None, typer.Option(metavar="ARTICLE", help="This one does not: its id or URL.")
    ] = None,
    note: Annotated[str, typer.Option(help="Why, for others who look at the verdicts.")] = "",
    test: Annotated[bool, typer.Option("--test/--no-test", help="Back-test what is proposed.")] = True,
    json: Json = False,
) -> None:
    """Judge what is near the line. Verdicts are collected into a proposal; nothing changes until you accept it."""
    topics_file_of(ctx).find(topic_id)
    if relevant or not_relevant:
        with open_read(ctx) as store:
            said = _named(store, topic_id, relevant or [], not_relevant or [])
        _say(ctx, topic_id, said, note)
        shown = None
    else:
        with open_read(ctx) as store:
            shown = _shown(store, topic_id, days)
        if not json:
            said = _told(shown, asking=sys.stdin.isatty() and sys.stdout.isatty())
            if said:
                _say(ctx, topic_id, said, note)
    proposal = proposal_of(ctx, topic_id, days, test=test)
    if json:
        rows = {"articles": [_row(each) for each in shown.items], "matches": shown.matches} if shown else {}
        echo_json({"topic": topic_id, **rows, "proposal": proposal})
    else:
        print_proposal(topic_id, proposal)


# -- what is shown


def _shown(store: "Store", topic_id: str, days: int) -> Shown:
    from consumers.scoring import NEAR
    from daemon.review import item
    from daemon.store.line import matches_since, near_line
    from daemon.store.topics import TopicVersions
    from daemon.store.verdicts import Verdicts

    history = TopicVersions(store).history(topic_id)
    topic = history[0].topic if history else None
    if topic is None:
        fail(f"{topic_id} is not in force yet: it takes effect when `{program()} run` starts")
    now = time.time()
    said = {each.article_id: each for each in Verdicts(store).of(topic_id)}
    near = near_line(store, topic, since=now - days * DAY, until=now, near=NEAR)
    items = [item(number, each, topic, said.get(each.article.id)) for number, each in enumerate(near, 1)]
    return Shown(topic, items, matches_since(store, topic_id, now - days * DAY), days)


def _told(shown: Shown, *, asking: bool) -> Mapping[str, bool]:
    """Prints them; where somebody can be asked, the verdicts by article."""
    span = "day" if shown.days == 1 else f"{shown.days} days"
    above = sum(each.matched for each in shown.items)
    below = len(shown.items) - above
    matches = f"{shown.matches:,} {'match' if shown.matches == 1 else 'matches'}"
    nearest = f", the {above:,} nearest to the line shown" if above < shown.matches else ""
    typer.echo(plain(f"{shown.topic.query} · {matches} of the last {span}{nearest}; {below:,} just below the line"))
    said: dict[str, bool] = {}
    day = ""
    for each in shown.items:
        if when(each.at)[:10] != day:
            day = when(each.at)[:10]
            typer.echo(f"\n{day}")
        _print_item(each)
        if asking and each.verdict is None:
            answer = _asked()
            if answer == "q":
                break
            if answer != "s":
                said[each.article.id] = answer == "y"
    typer.echo("")
    return said


def _asked() -> str:
    """y, n, s or q; the end of input is q."""
    while True:
        try:
            typed = input("     relevant? [y]es, [n]o, [s]kip, [q]uit: ").strip().lower()[:1]
        except (EOFError, KeyboardInterrupt):
            typer.echo("")
            return "q"
        if typed in ("y", "n", "s", "q"):
            return typed


def _print_item(each: "Item") -> None:
    article = each.article
    place = "match" if each.matched else "near miss"
    at = article.seen if article.published is None else article.published
    where = " · ".join(part for part in (place, article.source, when(at), article.id[:_ID], article.url) if part)
    typer.echo(plain(f"{each.number:>3}  {article.title or '(no title)'}"))
    typer.echo(plain(f"     {where}"))
    if each.passage.text != article.title:
        typer.echo(plain(f"     “{quoted(each.passage.text, each.passage.marks)}”"))
    typer.echo(plain(f"     Why: {'; '.join(each.reasons)}"))
    if each.verdict is not None:
        said = "relevant" if each.verdict.relevant else "not relevant"
        state = "" if each.verdict.state == "open" else ", accepted"
        typer.echo(plain(f"     {each.verdict.by} said: {said} ({when(each.verdict.at)}{state})"))


def _row(each: "Item") -> dict[str, object]:
    article = each.article
    return {
        "number": each.number,
        "id": article.id,
        "matched": each.matched,
        "title": article.title,
        "source": article.source,
        "url": article.url,
        "published": None if article.published is None else iso(article.published),
        "seen": iso(each.at),
        "score": round(each.score, 4),
        "passage": asdict(each.passage),
        "reasons": list(each.reasons),
        "verdict": None if each.verdict is None else {**asdict(each.verdict), "at": iso(each.verdict.at)},
    }


# -- verdicts


def _named(store: "Store", topic_id: str, relevant: Sequence[str], not_relevant: Sequence[str]) -> Mapping[str, bool]:
    said: dict[str, bool] = {}
    for names, verdict in ((relevant, True), (not_relevant, False)):
        for name in names:
            article = _article(store, topic_id, name)
            if said.get(article.id, verdict) is not verdict:
                fail(f"{name} cannot be both relevant and not relevant", code=2)
            said[article.id] = verdict
    return said


def _article(store: "Store", topic_id: str, name: str) -> "Article":
    from daemon.fetch.urls import canonical
    from daemon.store.examples import ARTICLE
    from daemon.store.line import named

    name = name.strip().removeprefix(ARTICLE)
    url = canonical(name)
    found = named(store, topic_id, name, url) if name else ()
    if not found:
        advice = "give its id as `topics review` shows it" if not url else "name it among the examples in topics.toml"
        fail(f"no article of the archive is {name}: {advice}")
    if len(found) > 1:
        fail(f'several articles have ids that begin with "{name}": give more of it')
    return found[0]


def _say(ctx: typer.Context, topic_id: str, said: Mapping[str, bool], note: str) -> None:
    from daemon.cli.kept import change

    change(load_settings(ctx), "topics.verdict", {"topic_id": topic_id, "said": said, "by": user(), "note": note})
    typer.echo(f"{verdicts_said(len(said))} kept.", err=True)
