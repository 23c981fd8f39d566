"""``wirewatch topics accept``: what the verdicts propose becomes the topic's next version, by way of topics.toml."""

import json as json_
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.context import echo_json, fail, iso, load_settings, open_read, plain, program
from daemon.cli.topics_applied import Json, TopicId, topics_file_of, wait

if TYPE_CHECKING:
    from consumers.model import Topic
    from daemon.proposals import Decision
    from daemon.store import Store
    from daemon.store.verdicts import Proposal


def accept(
    ctx: typer.Context,
    topic_id: TopicId,
    drop: Annotated[bool, typer.Option("--drop", help="Forget the open verdicts and what they propose.")] = False,
    json: Json = False,
) -> None:
    """Make what the verdicts propose the topic's next version: its examples are written into topics.toml."""
    from daemon.cli.kept import change

    settings = load_settings(ctx)
    file = topics_file_of(ctx)
    now = file.find(topic_id)
    if drop:
        done = change(settings, "topics.drop", {"topic_id": topic_id})["done"]
        if json:
            echo_json({"topic": topic_id, "dropped": done})
        else:
            typer.echo(f"{verdicts_said(done)} forgotten." if done else f"{topic_id} has no open verdicts.")
        return
    proposal, decision = _decided(ctx, now)
    from daemon.proposals import changes, to_write

    said = [each.said for each in changes(now, decision.topic)]
    topic = file.change(topic_id, to_write(now, decision.topic)) if said else now
    done = change(settings, "topics.accepted", {"topic_id": topic_id, "until": proposal.at})["done"]
    if json:
        echo_json({"topic": topic_id, "accepted": done, "changes": said, "rebased": decision.rebased})
        return
    if decision.rebased:
        typer.echo(f"{topic_id} has changed since this was proposed; its verdicts still apply and were added to it.")
    typer.echo(
        f"Accepted {verdicts_said(done)} into {file.file}: {', '.join(said) or 'the examples are there already'}."
    )
    wait(ctx, topic_id, topic)
    typer.echo(f"To take it back: {program()} topics rollback {topic_id}")


def _decided(ctx: typer.Context, now: "Topic") -> "tuple[Proposal, Decision]":
    """The proposal, and what accepting it makes of the topic in the file."""
    from daemon.clock import SystemClock
    from daemon.feedback import Feedback
    from daemon.proposals import decided
    from daemon.store.topics import TopicVersions
    from daemon.store.verdicts import Proposals, Verdicts

    with open_read(ctx) as store:
        proposal = Proposals(store).get(now.id)
        said = Verdicts(store).of(now.id, "open")
        if proposal is None:
            first = "see first what its verdicts would change" if said else "there is nothing to accept; give verdicts"
            fail(f"{now.id}: {first} with `{program()} topics review {now.id}`")
        history = {each.version: each.topic for each in TopicVersions(store).history(now.id)}
        urls = Feedback(store, SystemClock()).urls(said)
    mine = [each for each in said if each.at <= proposal.at]
    return proposal, decided(proposal, history.get(proposal.base_version), now, mine, urls)


# -- what they propose


def proposal_of(ctx: typer.Context, topic_id: str, days: int, *, test: bool) -> dict[str, object] | None:
    """What the open verdicts propose to the version in force; with its back-test, which is made once."""
    from daemon.cli.kept import change
    from daemon.proposals import changes
    from daemon.store.topics import TopicVersions
    from daemon.store.verdicts import Proposals, Verdicts

    settings = load_settings(ctx)
    with open_read(ctx) as store:
        said = Verdicts(store).of(topic_id, "open")
    if not said:
        return None
    if not change(settings, "topics.propose", {"topic_id": topic_id})["proposed"]:
        return None
    with open_read(ctx) as store:
        proposal = Proposals(store).get(topic_id)
        history = {each.version: each.topic for each in TopicVersions(store).history(topic_id)}
        base = history.get(proposal.base_version) if proposal else None
        if proposal is None or base is None:
            return None
        report = _report(ctx, store, base, proposal, days, test=test)
    if report is not None:
        args = {"topic_id": topic_id, "at": proposal.at, "report": json_.dumps(report)}
        change(settings, "topics.tested", args)
    return {
        "base_version": proposal.base_version,
        "at": iso(proposal.at),
        "verdicts": len(said),
        "changes": [each.said for each in changes(base, proposal.topic)],
        "examples": list(proposal.topic.examples),
        "counter_examples": list(proposal.topic.counter_examples),
        "back_test": report,
    }


def _report(
    ctx: typer.Context, store: "Store", base: "Topic", proposal: "Proposal", days: int, *, test: bool
) -> dict[str, Any] | None:
    known = json_.loads(proposal.report) if proposal.report else None
    if known is not None and known.get("days") == days:
        return dict(known)
    if not test:
        return None
    from consumers.errors import ModelUnusable
    from daemon.errors import Unavailable

    try:
        return _compared(ctx, store, base, proposal.topic, days)
    except (ModelUnusable, Unavailable) as error:
        typer.echo(plain(f"The back-test was not made: {error}"), err=True)
        return None


def _compared(ctx: typer.Context, store: "Store", base: "Topic", wanted: "Topic", days: int) -> dict[str, Any]:
    """Both versions on the articles of these days. Raises ``ModelUnusable``, ``Unavailable``."""
    from rich.console import Console

    from consumers.embedding import open_embedder
    from daemon.topics_in_force import TopicsInForce
    from daemon.trial import on_archive

    model = load_settings(ctx).model
    with Console(stderr=True).status("back-test of what is proposed"):
        embedder = open_embedder(TopicsInForce(store).model_name(model.name), model.device)
        found = on_archive(store, wanted, embedder, days=days, now=time.time(), in_force=base).back_test
    before = found.difference.tally if found.difference else found.tally
    counted = {
        name: {"above": tally.above, "near": tally.near, "alerts_per_day": tally.a_day}
        for name, tally in (("in_force", before), ("proposed", found.tally))
    }
    return {"days": days, "articles": found.articles, **counted}


def print_proposal(topic_id: str, proposal: Mapping[str, Any] | None) -> None:
    if proposal is None:
        typer.echo("Nothing is proposed: there are no open verdicts that would change the topic.")
        return
    typer.echo(
        f"Proposed: {', '.join(proposal['changes'])} (version {proposal['base_version']} with "
        f"{verdicts_said(proposal['verdicts'])})"
    )
    report = proposal["back_test"]
    if report is not None:
        before, after = report["in_force"], report["proposed"]
        typer.echo(
            f"On {report['articles']:,} articles of {report['days']} days: {before['above']:,} -> {after['above']:,} "
            f"above the line, {before['near']:,} -> {after['near']:,} just below it"
            f"{_alerts(before, after)}"
        )
    typer.echo(f"Accept it:  {program()} topics accept {topic_id}")
    typer.echo(f"Forget it:  {program()} topics accept {topic_id} --drop")


def _alerts(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Alerts a day, where both are known: a young archive tells nothing of a day."""
    one, other = before.get("alerts_per_day"), after.get("alerts_per_day")
    return "" if one is None or other is None else f", {one:.1f} -> {other:.1f} alerts a day"


# -- the file


def verdicts_said(count: int) -> str:
    return f"{count:,} {'verdict' if count == 1 else 'verdicts'}"
