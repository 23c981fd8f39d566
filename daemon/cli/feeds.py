"""``wirewatch feeds``: what is read. The commands edit feeds.toml; the daemon follows the file."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.context import config_dir, echo_json, emit, fail, iso, load_settings, plain, when

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.entry_file import EntryFile
    from daemon.feeds import Feed, FeedState
    from daemon.fetch.check import FeedReport

app = typer.Typer(help="What is read: list, add, remove, check.", no_args_is_help=True)

AT_ONCE = 10  # checks at the same time

Json = Annotated[bool, typer.Option("--json", help="As a JSON array.")]
NamedFeed = Annotated[str, typer.Argument(metavar="FEED", help="Its id or its URL, as in `wirewatch feeds list`.")]


@app.command("list")
def list_feeds(ctx: typer.Context, as_json: Json = False) -> None:
    """Every feed of feeds.toml, with what polling it has brought."""
    from daemon.feeds import FeedState

    known = _polled(ctx)
    rows = [_row(feed, *known.get(feed.id, (FeedState(feed_id=feed.id), 0))) for feed in _file(ctx).load()]
    for row in rows:
        for key in ("last_poll", "next_poll"):
            row[key] = None if row[key] is None else iso(row[key]) if as_json else when(row[key])
    columns = ("id", "name", "last_poll", "next_poll", "items", "state")
    emit(rows, columns=columns, as_json=as_json, empty="No feeds yet: `wirewatch feeds add URL`.")


@app.command()
def add(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(help="Of the feed, or of a page that announces feeds.")],
    name: Annotated[str | None, typer.Option(help="[default: the feed's own title]")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A word of yours; repeat for several.")] = None,
    every: Annotated[str | None, typer.Option(help='How often you would like it polled, as in "5m".')] = None,
    no_check: Annotated[bool, typer.Option("--no-check", help="Do not read it first.")] = False,
) -> None:
    """Add a feed to feeds.toml, once it has been read."""
    url = _normal(url)
    _refuse_known(ctx, url)
    if not no_check:
        report = _look(ctx, [_feed(url)])[0]
        if not report.readable:
            report = _another(ctx, report)
        _show(report)
        url, name = _normal(report.url), name or plain(report.title)[:200]
        _refuse_known(ctx, url)
    values = {"url": url, "name": name, "tags": tag, "every": every}
    file = _file(ctx)
    feed = file.add({key: value for key, value in values.items() if value})
    typer.echo(f"Added {feed.id} to {file.file}. {_effect(ctx)}")


@app.command()
def remove(
    ctx: typer.Context, feed: NamedFeed, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Take a feed out of feeds.toml. What was read from it stays in the archive."""
    file = _file(ctx)
    found = _find(ctx, feed)
    if not yes and not typer.confirm(f"Remove {plain(found.name or found.id)} ({found.url})?"):
        fail("nothing was removed")
    file.remove(found.id)
    typer.echo(f"Removed {found.id} from {file.file}. {_effect(ctx)}")


@app.command()
def check(
    ctx: typer.Context,
    feed: Annotated[str | None, typer.Argument(help="An id or a URL [default: every feed of feeds.toml]")] = None,
    as_json: Json = False,
) -> None:
    """Read feeds now, keep nothing; exit code 1 where one cannot be read."""
    feeds = [_find_or_new(ctx, feed)] if feed else [found for found in _file(ctx).load() if found.enabled]
    reports = _look(ctx, feeds, progress=not as_json and len(feeds) > 1)
    if as_json:
        from dataclasses import asdict

        echo_json([asdict(report) for report in reports])
    else:
        for report in reports:
            _show(report)
    raise typer.Exit(0 if all(report.readable for report in reports) else 1)


# -- the file


def _file(ctx: typer.Context) -> "EntryFile[Feed]":
    from daemon.feeds_file import feeds_file

    return feeds_file(config_dir(ctx) / "feeds.toml")


def _normal(url: str) -> str:
    from daemon.feeds_file import normal_url

    try:
        return normal_url(url if "://" in url else f"https://{url}")
    except ValueError as error:
        fail(f"{url}: {error}", code=2)


def _feed(url: str) -> "Feed":
    from daemon.feeds import Feed
    from daemon.feeds_file import feed_id

    return Feed(id=feed_id(url), url=url)


def _find(ctx: typer.Context, named: str) -> "Feed":
    file = _file(ctx)
    by_url = [feed for feed in file.load() if "://" in named and feed.url == _normal(named)]
    return by_url[0] if by_url else file.find(named)


def _refuse_known(ctx: typer.Context, url: str) -> None:
    file = _file(ctx)
    for feed in file.load() if file.file.exists() else ():
        if feed.url == url:
            fail(f"{url} is in {file.file} already, as {feed.id}: nothing was added")


def _find_or_new(ctx: typer.Context, named: str) -> "Feed":
    """A URL that is not in the file is looked at all the same."""
    file = _file(ctx)
    known = file.load() if file.file.exists() else ()
    if "://" in named and _normal(named) not in {feed.url for feed in known}:
        return _feed(_normal(named))
    return _find(ctx, named)


def _effect(ctx: typer.Context) -> str:
    from daemon.cli.kept import is_running

    return (
        "It is in force within two seconds."
        if is_running(load_settings(ctx))
        else "It takes effect at the next `wirewatch run`."
    )


# -- looking at feeds


def _look(ctx: typer.Context, feeds: "Sequence[Feed]", *, progress: bool = False) -> "list[FeedReport]":
    """In the order given. Exits with code 1 where nothing can be parsed on this machine."""
    import asyncio

    from daemon.clock import SystemClock
    from daemon.fetch.check import check as look
    from daemon.fetch.client import FeedClient
    from daemon.fetch.guard import EgressGuard
    from daemon.fetch.workers import ParserPool

    fetch = load_settings(ctx).fetch
    clock = SystemClock()
    parser = ParserPool(
        workers=fetch.parse_workers,
        timeout=fetch.parse_timeout,
        memory=fetch.parse_memory,
        max_entries=fetch.max_entries,
    )
    client = FeedClient(
        guard=EgressGuard(fetch.allow_networks),
        clock=clock,
        user_agent=fetch.user_agent,
        timeout=fetch.timeout,
        max_wire=fetch.max_wire,
        max_decoded=fetch.max_decoded,
    )

    async def look_at_all() -> "list[FeedReport]":
        some = asyncio.Semaphore(AT_ONCE)
        done = 0

        async def look_at(feed: "Feed") -> "FeedReport":
            nonlocal done
            async with some:
                report = await look(feed, client=client, parser=parser, clock=clock)
            done += 1
            if progress:
                typer.echo(f"{done}/{len(feeds)} {plain(feed.name or feed.url)}", err=True)
            return report

        try:
            async with client:
                return await asyncio.gather(*(look_at(feed) for feed in feeds))
        finally:
            await parser.close()

    return asyncio.run(look_at_all())


def _another(ctx: typer.Context, report: "FeedReport") -> "FeedReport":
    """A feed that the page announces, where the user picks one; else out."""
    if not report.discovered:
        _show(report)
        fail("Nothing was added. With --no-check it is added as it is.")
    typer.echo(f"{report.url} is a page. It announces:")
    for number, url in enumerate(report.discovered, start=1):
        typer.echo(f"  {number}. {plain(url)}")
    if len(report.discovered) == 1:
        picked = int(typer.confirm("Add this feed?"))
    else:
        picked = typer.prompt("Which one? 0 for none", type=int, default=1)
    if not 1 <= picked <= len(report.discovered):
        fail("nothing was added")
    found = _look(ctx, [_feed(_normal(report.discovered[picked - 1]))])[0]
    if not found.readable:
        _show(found)
        fail("Nothing was added. With --no-check it is added as it is.")
    return found


def _show(report: "FeedReport") -> None:
    if report.readable:
        newest = f", the newest of {when(report.newest)}" if report.newest is not None else ""
        items = "1 item" if report.items == 1 else f"{report.items:,} items"
        typer.echo(f"{report.url}: {plain(report.title) or 'no title'} ({report.kind}), {items}{newest}")
        for headline in report.headlines:
            typer.echo(f"  {plain(headline)}")
    else:
        typer.echo(f"{report.url}: cannot be read", err=True)
    for problem in report.problems:
        typer.echo(f"  {plain(problem)}", err=not report.readable)
    for url in report.discovered:
        typer.echo(f"  it announces {plain(url)}", err=not report.readable)


# -- what polling has learned


def _polled(ctx: typer.Context) -> "dict[str, tuple[FeedState, int]]":
    """By feed id; empty while there is no store."""
    from daemon.cli.kept import if_any
    from daemon.store.polled import polled

    return if_any(load_settings(ctx), polled) or {}


def _row(feed: "Feed", state: "FeedState", items: int) -> dict[str, Any]:
    return {
        "id": feed.id,
        "url": feed.url,
        "name": feed.name or state.title,
        "tags": list(feed.tags),
        "enabled": feed.enabled,
        "last_poll": state.polled,
        "next_poll": state.next_due or None,
        "items": items,
        "state": _state(feed, state),
        "error": state.error,
        "moved_to": state.moved_to,
    }


def _state(feed: "Feed", state: "FeedState") -> str:
    if not feed.enabled:
        return "paused"
    if state.polled is None:
        return "not polled yet"
    moved = f", moved to {state.moved_to}" if state.moved_to else ""
    return state.error or f"ok{moved}"
