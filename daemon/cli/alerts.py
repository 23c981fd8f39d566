"""``wirewatch alerts``: what was told, to whom, and whether it arrived."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.context import echo_json, emit, fail, iso, open_read, or_fail, plain, when

if TYPE_CHECKING:
    from consumers.ledger import Step
    from consumers.model import Message
    from daemon.store import Store
    from daemon.store.told import Progress, Told

app = typer.Typer(help="Alerts that were raised: list, show.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_SHOWN = 12  # characters of an id in a list: no two of a million are alike
_OF_A_DELIVERY = {"delivery_id", "possible_repeat", "page"}  # and not of the alert
_STATES = {
    "pending": "waiting",
    "held": "held",
    "sending": "being sent",
    "retry": "waiting, to be tried again",
    "sent": "sent",
    "dead": "given up",
}


@app.command("list")
def list_alerts(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 50,
    topic: Annotated[str, typer.Option(help="Only of the topic with this id.")] = "",
    since: Annotated[str, typer.Option(help='Only so new: "2h", "7d".')] = "",
    json: Json = False,
) -> None:
    """Show the alerts, newest first, with what became of them."""
    from daemon.store.told import recent

    after = _after(since)
    with open_read(ctx) as store:
        told = or_fail(lambda: recent(store, limit=limit, topic_id=topic, since=after))
    rows = [_row(alert) for alert in told]
    if not json:
        rows = [{**row, "id": alert.id[:_SHOWN], "at": when(alert.at)} for row, alert in zip(rows, told, strict=True)]
    columns = ("id", "at", "topic", "headline", "sources", "delivered")
    emit(rows, columns=columns, as_json=json, empty="No alerts yet.")


@app.command()
def show(
    ctx: typer.Context,
    alert: Annotated[str, typer.Argument(metavar="ID", help="The id, or its first characters.")],
    json: Json = False,
) -> None:
    """Show one alert as it is told, its story's reports, and each delivery with all that became of it."""
    from daemon.store.ledger import of_alert
    from daemon.store.told import deliveries_of

    with open_read(ctx) as store:
        alert_id = _only(store, alert)
        message = _composed(store, alert_id)
        progress = deliveries_of(store, alert_id)
        steps = of_alert(store, alert_id)
    if json:
        _as_json(message, progress, steps)
        return
    import shutil
    import sys
    import time

    from consumers.notify.console import render

    now = time.time()
    width = shutil.get_terminal_size((100, 40)).columns
    typer.echo(render(message, now=now, width=width, colour=sys.stdout.isatty()), color=True)
    typer.echo("Reports")
    for report in message.reports:
        copied = f" (copy of {report.copy_of})" if report.copy_of else ""
        typer.echo(plain(f"  {when(report.at)}  {report.source}{copied}: {report.title}"))
        if report.url:
            typer.echo(plain(f"    {report.url}"))
    typer.echo("Deliveries")
    for one in progress:
        typer.echo(plain(f"  {one.channel}: {_standing(one)}"))
        for line in _history([step for step in steps if step.delivery_id == one.id]):
            typer.echo(plain(f"    {line}"))


def _only(store: "Store", prefix: str) -> str:
    from daemon.store.told import ids_starting_with

    found = or_fail(lambda: ids_starting_with(store, prefix.strip().lower()))
    if not found:
        fail(f'no alert has an id that begins with "{prefix}": see `wirewatch alerts list`')
    if len(found) > 1:
        fail(f'{len(found)} alerts have an id that begins with "{prefix}": give more of it')
    return found[0]


def _composed(store: "Store", alert_id: str) -> "Message":
    from consumers.errors import Reject
    from daemon.store.outbox import Outbox

    try:
        return Outbox(store).message(alert_id)
    except Reject as error:
        fail(f"the alert {alert_id[:_SHOWN]} cannot be shown: {error.reason}")


def _row(alert: "Told") -> dict[str, object]:
    story = alert.story
    return {
        "id": alert.id,
        "at": iso(alert.at),
        "topic": alert.topic_id,
        "kind": alert.kind,
        "headline": story.title if story else "(its story is no longer kept)",
        "sources": len({report.source for report in story.reports}) if story else 0,
        "independent": story.independent if story else 0,
        "delivered": [f"{one.channel} {_STATES[one.state]}" for one in alert.deliveries],
    }


def _history(steps: "Sequence[Step]") -> Iterator[str]:
    """One line a step; what was repeated is one."""
    from itertools import groupby

    for (event, why), same in groupby(steps, key=lambda step: (step.event, step.why)):
        first, *others = [step.at for step in same]
        said = f"{when(first)}  {event}: {why}" if why else f"{when(first)}  {event}"
        yield f"{said} ({len(others) + 1} times, last {when(others[-1])})" if others else said


def _standing(one: "Progress") -> str:
    from daemon.store.holds import FOR_GOOD

    tries = "1 attempt" if one.attempts == 1 else f"{one.attempts} attempts"
    told = {
        "pending": f"waiting since {when(one.created)}",
        "held": f"held since {when(one.created)}" + (f", until {when(one.due)}" if one.due < FOR_GOOD else " for good"),
        "sending": f"being sent since {when(one.at)}",
        "retry": f"waiting since {when(one.created)}, {tries}, next {when(one.due)}",
        "sent": f"sent {when(one.at)}, {tries}",
        "dead": f"given up {when(one.at)}, {tries}",
    }[one.state]
    where = f" as {one.provider_id}" if one.provider_id else ""
    return f"{told}{where}; {one.reason}" if one.reason else f"{told}{where}"


def _as_json(message: "Message", progress: "Sequence[Progress]", steps: "Sequence[Step]") -> None:
    from dataclasses import asdict

    history = {one.id: [asdict(step) for step in steps if step.delivery_id == one.id] for one in progress}
    deliveries = [{**asdict(one), "history": history[one.id]} for one in progress]
    record = {key: value for key, value in asdict(message).items() if key not in _OF_A_DELIVERY}
    echo_json({**record, "deliveries": deliveries})


def _after(since: str) -> float:
    import time

    from daemon.units import parse_duration

    if not since:
        return 0.0
    try:
        return time.time() - parse_duration(since)
    except ValueError as error:
        fail(f"--since: {error}", code=2)
