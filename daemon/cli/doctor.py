"""``wirewatch doctor``: is everything in place? Each finding says what to do."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.context import config_dir, echo_json, plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.doctor import Finding, State
    from daemon.settings import Settings

SAMPLE = 12  # feeds that are tried
LIMIT = 10.0  # seconds for each answer from another machine


def doctor(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON array.")] = False,
    offline: Annotated[bool, typer.Option(help="Ask no other machine: no feeds, no channels.")] = False,
) -> None:
    """Check this machine, the files, and what can be reached. Exit code 1 where one check fails."""
    from daemon.doctor import failed, render

    findings = _findings(config_dir(ctx), offline=offline)
    if as_json:
        from dataclasses import asdict

        echo_json([asdict(finding) for finding in findings])
    else:
        typer.echo(plain(render(findings)))
    raise typer.Exit(1 if failed(findings) else 0)


def _findings(folder: "Path", *, offline: bool) -> "list[Finding]":
    """Settings that cannot be read are a finding; what they would have said is then taken from the defaults."""
    from daemon.errors import ConfigError
    from daemon.settings import load_settings, parse_settings

    file = folder / "wirewatch.toml"
    try:
        settings = load_settings(file)
    except ConfigError:
        settings = parse_settings("", file)
    findings = [*_versions(), *_model(settings), *_place(settings), *_files(folder), *_terminal()]
    return findings if offline else [*findings, *_others(folder, settings)]


def _versions() -> "Iterator[Finding]":
    import sqlite3
    from importlib.metadata import PackageNotFoundError, version

    from daemon import doctor as checks

    yield checks.python(sys.version_info[:3], sys.executable)
    found: dict[str, str | None] = {}
    for name in checks.PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    yield checks.packages(found)
    yield checks.sqlite(sqlite3.sqlite_version)
    if found["torch"] is not None:
        import torch

        gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
        yield checks.torch_build(str(torch.__version__), torch.version.cuda, gpu)


def _model(settings: "Settings") -> "Iterator[Finding]":
    from consumers.embedding import DEFAULT_MODEL, DEFAULT_SHA256, model_folder, weights_hash
    from consumers.errors import ModelUnusable
    from daemon import doctor as checks

    name = settings.model.name
    try:
        weights = weights_hash(model_folder(name))
    except ModelUnusable as error:
        yield checks.Finding(name="model", state="fail", detail=str(error))
    else:
        found = checks.model(name, weights, DEFAULT_SHA256 if name == DEFAULT_MODEL else None)
        yield found
        if found.state == "ok":
            yield _embedding(name, settings.model.device)


def _embedding(name: str, device: str) -> "Finding":
    """Which way of computing was the fastest here: it is timed, as at every start."""
    from consumers.embedding import open_embedder
    from consumers.errors import ModelUnusable
    from daemon import doctor as checks

    try:
        return checks.Finding(name="embedding", state="ok", detail=open_embedder(name, device).path)
    except ModelUnusable as error:
        return checks.Finding(name="embedding", state="fail", detail=str(error))


def _place(settings: "Settings") -> "Iterator[Finding]":
    """The data directory, the store in it, the port and the clock."""
    import time
    from datetime import UTC, datetime

    from daemon import doctor as checks

    if not settings.shared:
        yield _data_dir(settings.data.dir)
    yield from _server(settings) if settings.store.external else _store(settings)
    yield from _cluster(settings)
    yield _port(settings)
    wall, steady = time.time(), time.monotonic()
    time.sleep(0.2)
    drift = (time.time() - wall) - (time.monotonic() - steady)
    yield checks.clock(datetime.now(UTC).year, drift)


def _data_dir(path: "Path") -> "Finding":
    import os
    from shutil import disk_usage

    from daemon import doctor as checks

    there = next(parent for parent in (path, *path.parents) if parent.exists())
    writable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    return checks.data_dir(str(path), exists=path.exists(), writable=writable, free=disk_usage(there).free)


def _server(settings: "Settings") -> "Iterator[Finding]":
    """PostgreSQL: whether it lets us in, and has what we need."""
    from contextlib import closing

    from daemon import doctor as checks
    from daemon.cli.kept import open_to_read
    from daemon.errors import Unavailable, Unusable

    try:
        with closing(open_to_read(settings)) as store, store.read() as connection:
            version = str(connection.exec_driver_sql("SHOW server_version").scalar())
    except (Unusable, Unavailable) as error:
        yield checks.Finding(name="store", state="fail", detail=str(error))
    else:
        yield checks.Finding(name="store", detail=f"{settings.store.url}, PostgreSQL {version}")


def _cluster(settings: "Settings") -> "Iterator[Finding]":
    """Kafka: whether it lets us in, and keeps our streams as they have to be kept."""
    from contextlib import closing

    from daemon import doctor as checks
    from daemon.errors import Unavailable, Unusable

    try:
        broker = settings.log.broker(client="wirewatch-command")
        if broker is None:
            return
        from daemon.cli.kept import nothing_is_read
        from daemon.clock import SystemClock
        from daemon.log.kafka import KafkaLog
        from daemon.log.streams import survey

        with closing(KafkaLog(broker, quarantine=nothing_is_read, clock=SystemClock())) as cluster:
            brokers, found = cluster.brokers(), survey(cluster, broker, settings.stream_plan)
    except (Unusable, Unavailable) as error:
        yield checks.Finding(name="log", state="fail", detail=str(error))
        return
    reached = f"{settings.log.url}, {brokers} {'broker' if brokers == 1 else 'brokers'}"
    missing = [finding.stream for finding in found.findings if finding.makeable]
    wrong = [finding for finding in found.findings if not finding.makeable]
    if missing:
        detail = f"{reached}; not there yet: {', '.join(missing)}"
        advice = "" if settings.log.create else "make them: wirewatch streams create"
        yield checks.Finding(name="log", state="warn" if advice else "ok", detail=detail, advice=advice)
    elif not wrong:
        yield checks.Finding(name="log", detail=f"{reached}, every stream as it should be")
    for finding in wrong:
        detail = f"{finding.stream} {finding.problem}"
        state: State = "fail" if finding.fatal else "warn"
        yield checks.Finding(name="log", state=state, detail=detail, advice=finding.repair)


def _store(settings: "Settings") -> "Iterator[Finding]":
    """Reads all of it: a damaged page may lie where nobody has looked for months."""
    from daemon import doctor as checks
    from daemon.errors import Unavailable, Unusable
    from daemon.store.opening import FILE, open_for_reading

    file = settings.data.dir / FILE
    if not file.exists():
        return
    try:
        store = open_for_reading(settings.store.url, settings.data.dir)
        try:
            with store.read() as connection:
                verdict = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        finally:
            store.close()
    except (Unusable, Unavailable) as error:
        yield checks.Finding(name="store", state="fail", detail=str(error))
        return
    if verdict != "ok":
        advice = "restore a backup, or move it away and start with an empty one"
        yield checks.Finding(name="store", state="fail", detail=f"{file} is damaged: {verdict}", advice=advice)
    else:
        yield checks.Finding(name="store", detail=f"{file}, {file.stat().st_size / 1e6:,.0f} MB, undamaged")


def _port(settings: "Settings") -> "Finding":
    from daemon import doctor as checks
    from daemon.control import owner
    from daemon.errors import Unusable
    from daemon.web.server import bind

    listen = settings.web.listen
    holder = None if settings.shared else owner(settings.data.dir)
    if holder is not None and listen in holder.address:
        return checks.port(listen, free=False, ours=True)
    try:
        bind(listen).close()
    except Unusable as error:
        return checks.port(listen, free=False, ours=False, why=str(error))
    return checks.port(listen, free=True, ours=False)


def _files(folder: "Path") -> "Iterator[Finding]":
    from daemon import doctor as checks
    from daemon.cli.config import check_files

    for row in check_files(folder):
        yield checks.config_file(str(row["file"]), str(row["holds"]), str(row["error"]), list(row["notes"]))


def _terminal() -> "Iterator[Finding]":
    import shutil

    from daemon import doctor as checks

    columns = shutil.get_terminal_size().columns
    yield checks.terminal(is_terminal=sys.stderr.isatty(), columns=columns, encoding=sys.stdout.encoding or "")


def _others(folder: "Path", settings: "Settings") -> "list[Finding]":
    import asyncio

    from daemon import reachability
    from daemon.errors import ConfigError
    from daemon.feeds_file import feeds_file

    try:
        listed = [feed for feed in feeds_file(folder / "feeds.toml").load() if feed.enabled]
    except ConfigError:
        listed = []  # a finding of its own already

    async def ask() -> "list[Finding]":
        chosen = reachability.sample(listed, SAMPLE)
        reports, channels = await asyncio.gather(
            reachability.feeds(settings.fetch, chosen, limit=LIMIT),
            reachability.channels(settings.channel, limit=LIMIT),
        )
        return [reachability.feeds_finding(reports, len(listed)), *channels]

    return asyncio.run(ask())
