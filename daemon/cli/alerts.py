"""``wirewatch alerts``: what was told, to whom, and whether it arrived."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.context import echo_json, emit, fail, iso, open_read, or_fail, plain, when

if TYPE_CHECKING:
    from daemon.store import Store
    from daemon.store.alert_names import Named
    from daemon.store.not_alerts import DigestRow, WaitingStory
    from daemon.store.told import Told

app = typer.Typer(help="Alerts that were raised: list, show.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_SHOWN = 12  # characters of an id in a list: no two of a million are alike


@app.command("list")
def list_alerts(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 50,
    topic: Annotated[str, typer.Option(help="Only of the topic with this id.")] = "",
    since: Annotated[str, typer.Option(help='Only so new: "2h", "7d".')] = "",
    held: Annotated[bool, typer.Option("--held", help="Only what waits on purpose, with what for.")] = False,
    json: Json = False,
) -> None:
    """Show the alerts and the digests, newest first, with what became of them."""
    import time

    from daemon.store.not_alerts import digests, waiting_stories
    from daemon.store.told import recent

    now, after = time.time(), _after(since)
    with open_read(ctx) as store:
        told = or_fail(lambda: recent(store, limit=limit, topic_id=topic, since=after, held=held))
        together = [] if topic else or_fail(lambda: digests(store, limit=limit, since=after, held=held))
        waiting = or_fail(lambda: waiting_stories(store, limit=limit, topic_id=topic, since=after)) if held else []
    rows = [_row(alert, now) for alert in told]
    rows += [_digest_row(digest, now) for digest in together] + [_waiting_row(story) for story in waiting]
    rows = sorted(rows, key=lambda row: row["at"], reverse=True)[:limit]
    for row in rows:
        row["at"] = iso(row["at"]) if json else when(row["at"])
        row["id"] = row["id"] if json else row["id"][:_SHOWN]
        row["news"] = row["news"] if json else "; ".join(row["news"])
    columns = ("id", "at", "topic", "kind", "news", "headline", "sources", "delivered")
    empty = "Nothing is held." if held else "No alerts yet."
    emit(rows, columns=columns, as_json=json, empty=empty)


@app.command()
def show(
    ctx: typer.Context,
    alert: Annotated[
        str, typer.Argument(metavar="ID", help="Of an alert, a delivery or a story, or its first characters.")
    ],
    json: Json = False,
) -> None:
    """Show one alert as it is told, what came after it, and the ledger: what was told where, when and why."""
    import shutil
    import sys
    import time

    from daemon.cli import alert_shown

    now = time.time()
    with open_read(ctx) as store:
        shown = alert_shown.look_up(store, _only(store, alert), now)
    if json:
        echo_json(alert_shown.record(shown))
        return
    width = shutil.get_terminal_size((100, 40)).columns
    typer.echo(alert_shown.as_told(shown, now=now, width=width, colour=sys.stdout.isatty()), color=True, nl=False)
    for line in alert_shown.lines(shown, now):
        typer.echo(plain(line))


def _only(store: "Store", prefix: str) -> "Named":
    from daemon.store.alert_names import named

    found = or_fail(lambda: named(store, prefix.strip().lower()))
    if not found:
        fail(f'no alert has an id that begins with "{prefix}": see `wirewatch alerts list`')
    if len(found) > 1:
        fail(f'{len(found)} alerts have an id that begins with "{prefix}": give more of it')
    return found[0]


# -- the rows of a list


def _row(alert: "Told", now: float) -> dict[str, Any]:
    from dataclasses import asdict

    from daemon.history_words import brief, news

    story = alert.story
    return {
        "id": alert.id,
        "at": alert.at,
        "topic": alert.topic_id,
        "kind": alert.kind,
        "why": alert.why,
        "facts": [asdict(fact) for fact in alert.facts],
        "news": news(alert),
        "headline": story.title if story else "(its story is no longer kept)",
        "sources": len({report.source for report in story.reports}) if story else 0,
        "independent": story.independent if story else 0,
        "delivered": [
            f"{one.channel} {brief(one.state, held=one.held, carrier=one.carrier, due=one.due, now=now)}"
            for one in alert.deliveries
        ],
    }


def _digest_row(digest: "DigestRow", now: float) -> dict[str, Any]:
    from daemon.history_words import brief

    said = brief(digest.state, held=digest.held, carrier="", due=digest.due, now=now)
    return {
        "id": digest.id,
        "at": digest.at,
        "topic": None,
        "kind": "digest",
        "why": digest.reason,
        "facts": [],
        "news": [],
        "headline": digest.title,
        "sources": None,
        "independent": None,
        "delivered": [f"{digest.channel} {said}"],
    }


def _waiting_row(waiting: "WaitingStory") -> dict[str, Any]:
    story = waiting.story
    return {
        "id": waiting.alert_id,
        "at": waiting.since,
        "topic": story.topic_id,
        "kind": "first",
        "why": waiting.why,
        "facts": [],
        "news": [],
        "headline": story.title,
        "sources": len({report.source for report in story.reports}),
        "independent": story.independent,
        "delivered": [f"{channel} {waiting.why}" for channel in waiting.channels] or [waiting.why],
    }


def _after(since: str) -> float:
    import time

    from daemon.units import parse_duration

    if not since:
        return 0.0
    try:
        return time.time() - parse_duration(since)
    except ValueError as error:
        fail(f"--since: {error}", code=2)
