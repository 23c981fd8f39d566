"""``wirewatch streams``: does the cluster keep the streams as the settings want them?"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.context import echo_json, emit, load_settings, plain

if TYPE_CHECKING:
    from daemon.log.broker import Broker, StreamPlan
    from daemon.log.streams import Cluster, Found, Survey, Wanted

app = typer.Typer(help="The streams in a Kafka cluster: check, create.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@app.command()
def check(ctx: typer.Context, json: Json = False) -> None:
    """Compare the streams with the settings. Exit code 1 where the daemon would not start with them."""
    from daemon.log.streams import survey

    with _cluster(ctx, as_json=json) as (cluster, broker, plan):
        seen = survey(cluster, broker, plan)
    rows = [_row(seen, stream) for stream in seen.wanted]
    if json:
        emit(rows, columns=(), as_json=True, empty="")
    else:
        columns = ("stream", "state", "partitions", "copies", "in_sync", "policy", "kept")
        emit([_shown(seen, stream) for stream in seen.wanted], columns=columns, as_json=False, empty="")
        for finding in seen.findings:
            typer.echo(plain(f"\n{finding.stream} {finding.problem}:\n  {finding.repair}"))
        if any("client.properties" in finding.repair for finding in seen.findings):
            typer.echo("\nclient.properties is the file that tells Kafka's own tools how to log in.")
    raise typer.Exit(1 if any(finding.fatal for finding in seen.findings) else 0)


@app.command()
def create(ctx: typer.Context, yes: Yes = False, json: Json = False) -> None:
    """Make the streams that are missing. Those that are there are left as they are."""
    from daemon.log.streams import prepare, survey

    with _cluster(ctx, as_json=json) as (cluster, broker, plan):
        missing = survey(cluster, broker, plan).missing
        if missing and not yes:
            for stream in missing:
                typer.echo(f"{stream.name}: {stream.partitions} partitions, {stream.replication} copies", err=True)
            typer.confirm(f"Make these on {', '.join(broker.servers)}?", abort=True, err=True)
        made = prepare(cluster, broker, plan, create=True).missing
    if json:
        echo_json({"made": [stream.name for stream in made]})
    else:
        typer.echo(f"Made {', '.join(stream.name for stream in made)}." if made else "Every stream is there.")


@contextmanager
def _cluster(ctx: typer.Context, *, as_json: bool) -> "Iterator[tuple[Cluster, Broker, StreamPlan]]":
    """Leaves with code 0 where the log is not in a cluster: nothing is wrong with that."""
    from contextlib import closing

    from daemon.clock import SystemClock

    settings = load_settings(ctx)
    broker = settings.log.broker("wirewatch-streams")
    if broker is None:
        if as_json:
            echo_json([])
        else:
            typer.echo(f"The streams are in {settings.data.dir}: there is no cluster to check.")
        raise typer.Exit
    from daemon.cli.kept import nothing_is_read
    from daemon.log.kafka import KafkaLog

    with closing(KafkaLog(broker, quarantine=nothing_is_read, clock=SystemClock())) as log:
        yield log, broker, settings.stream_plan


def _row(seen: "Survey", stream: "Wanted") -> dict[str, object]:
    from dataclasses import asdict

    found = seen.found.get(stream.name)
    findings = [asdict(finding) for finding in seen.findings if finding.stream == stream.name]
    for finding in findings:
        del finding["stream"]
    return {
        "stream": stream.name,
        "state": _state(seen, stream),
        "wanted": {"partitions": stream.partitions, "replication": stream.replication, "configs": dict(stream.configs)},
        "found": asdict(found) if found else None,
        "findings": findings,
    }


def _state(seen: "Survey", stream: "Wanted") -> str:
    if seen.found.get(stream.name) is None:
        return "missing"
    fatal = [finding.fatal for finding in seen.findings if finding.stream == stream.name]
    return "wrong" if any(fatal) else "could be better" if fatal else "ok"


def _shown(seen: "Survey", stream: "Wanted") -> dict[str, object]:
    there = seen.found.get(stream.name)
    wanted = _facts(stream)
    found = _facts(there) if there else {}
    cells = {name: _cell(found.get(name), wanted[name]) for name in wanted}
    return {"stream": stream.name, "state": _state(seen, stream), **cells}


def _facts(stream: "Wanted | Found") -> dict[str, str]:
    from daemon.units import format_duration

    policy = stream.configs.get("cleanup.policy", "")
    kept = stream.configs.get("retention.ms", "-1")
    return {
        "partitions": str(stream.partitions),
        "copies": str(stream.replication),
        "in_sync": stream.configs.get("min.insync.replicas", ""),
        "policy": policy,
        "kept": "for ever" if policy == "compact" or kept == "-1" else format_duration(int(kept) / 1000),
    }


def _cell(found: str | None, wanted: str) -> str:
    if found is None:
        return f"(wanted {wanted})"
    return found if found == wanted else f"{found} (wanted {wanted})"
