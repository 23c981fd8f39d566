"""``wirewatch channels``: where alerts go, what they look like there, whether that works, and a test of it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.context import echo_json, emit, fail, iso, load_settings, or_fail, plain, when

if TYPE_CHECKING:
    from consumers.model import Receipt
    from daemon.channel_settings import ChannelSettings
    from daemon.settings import Settings
    from daemon.store.outbox import Disabled, Queue

app = typer.Typer(help="Where alerts go: list, preview, test.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_channels(ctx: typer.Context, json: Json = False) -> None:
    """Show every channel, whether it works, and what waits for it."""
    settings = load_settings(ctx)
    queues, disabled = _known(settings)
    names = [*settings.channel, *(name for name in queues if name not in settings.channel)]
    rows = [_row(name, settings.channel.get(name), queues, disabled) for name in names]
    for row in rows:
        for key in ("last_sent", "waiting_since"):
            row[key] = None if row[key] is None else iso(row[key]) if json else when(row[key])
    columns = ("name", "type", "state", "waiting", "held", "sent", "given_up", "last_sent", "reason")
    emit(rows, columns=columns, as_json=json, empty="No channels: add a [channel.NAME] to wirewatch.toml.")


@app.command("test")
def send_test(ctx: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME")], json: Json = False) -> None:
    """Send a marked test message, and say what came back."""
    import asyncio

    from consumers.errors import Reject, Retry
    from daemon.errors import ConfigError

    settings = load_settings(ctx)
    channel = _configured(settings, name)
    try:
        receipt = asyncio.run(_send(name, channel, quiet=json))
    except (Retry, Reject, ConfigError) as error:
        reason = str(error).strip()
        if json:
            emit([{"channel": name, "accepted": False, "reason": reason}], columns=(), as_json=True, empty="")
        fail(f"{name} did not accept the test: {reason}")
    enabled = _enable(settings, name)
    if json:
        row = {"channel": name, "accepted": True, "id": receipt.provider_id, "note": receipt.note, "enabled": enabled}
        emit([row], columns=(), as_json=True, empty="")
        return
    known_as = f" as {receipt.provider_id}" if receipt.provider_id else ""
    typer.echo(plain(f"{name} accepted the test{known_as}."))
    if receipt.note:
        typer.echo(plain(f"But {receipt.note}."))
    if enabled:
        typer.echo(f"{name} was disabled and is enabled again: what waited for it goes out now.")


@app.command("preview")
def show_preview(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    kind: Annotated[str, typer.Option(help="first, update, escalation or digest; the newest alert's by itself.")] = "",
    alert: Annotated[str, typer.Option(metavar="ID", help="This alert: its id, or its first characters.")] = "",
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the HTML of a mail there.")] = None,
    json: Json = False,
) -> None:
    """Show what the channel would be sent, its template applied, without sending it."""
    import shutil

    from daemon.cli.previewed import newest
    from daemon.preview import preview

    settings = load_settings(ctx)
    channel = _configured(settings, name)
    tidings, what = newest(settings, name, kind=kind, alert=alert)
    width = shutil.get_terminal_size((100, 40)).columns
    made = or_fail(lambda: preview(channel, tidings, now=tidings.at, width=width))
    if html is not None:
        _write(html, made.html or fail(f"{name} sends no HTML: leave out --html"))
    if json:
        echo_json({"channel": name, "of": what, "note": made.note, "payload": made.payload})
        return
    typer.echo(f"Nothing is sent. This is {what}, as {name} would get it:\n")
    typer.echo("\n".join(plain(line) for line in made.text.split("\n")), nl=False)
    if made.note:
        typer.echo(plain(f"\nBut {made.note}."))


def _configured(settings: "Settings", name: str) -> "ChannelSettings":
    if name not in settings.channel:
        fail(f'there is no channel "{name}" in wirewatch.toml: it has {", ".join(settings.channel)}')
    return settings.channel[name]


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        fail(f"{file} cannot be written ({error.strerror})")


async def _send(name: str, channel: "ChannelSettings", *, quiet: bool) -> "Receipt":
    """``quiet``: standard output belongs to the JSON, so the console channel writes to the other one."""
    import sys
    import time
    from uuid import uuid4

    from aiohttp import ClientSession

    from daemon.channels import build_notifier, write_stdout
    from daemon.notices import channel_test

    async with ClientSession(trust_env=True) as session:
        notifier = build_notifier(name, channel, session=session, write=sys.stderr.write if quiet else write_stdout)
        return await notifier.send(channel_test(name, uuid4().hex, time.time()))


def _enable(settings: "Settings", name: str) -> bool:
    """Tell a running daemon that a channel which it has disabled works. One that is not running tries it at start."""
    from daemon.cli.kept import change, is_running
    from daemon.errors import Unavailable, Unusable

    if name not in _known(settings)[1] or not is_running(settings):
        return False
    try:
        change(settings, "channels.enable", {"name": name})
    except (Unavailable, Unusable) as error:
        fail(f"the test arrived, but the running wirewatch could not enable {name}: {error}")
    return True


def _known(settings: "Settings") -> "tuple[Mapping[str, Queue], Mapping[str, Disabled]]":
    """What the store knows of channels; nothing where there is no store yet."""
    from daemon.cli.kept import if_any
    from daemon.store.outbox import Outbox

    return if_any(settings, lambda store: (Outbox(store).queues(), Outbox(store).disabled())) or ({}, {})


def _row(
    name: str,
    channel: "ChannelSettings | None",
    queues: "Mapping[str, Queue]",
    disabled: "Mapping[str, Disabled]",
) -> dict[str, Any]:
    from daemon.store.outbox import Queue

    queue = queues.get(name, Queue())
    refusal = disabled.get(name)
    state = "not in wirewatch.toml" if channel is None else "disabled" if refusal else "on"
    return {
        "name": name,
        "type": channel.type if channel else None,
        "state": state,
        "waiting": queue.waiting,
        "held": queue.held,
        "sent": queue.sent,
        "given_up": queue.dead,
        "last_sent": queue.last_sent,
        "waiting_since": queue.oldest,
        "reason": refusal.reason if refusal else None,
    }
