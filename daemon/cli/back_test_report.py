"""A back-test, for people and as JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from daemon.cli.context import plain
from daemon.cli.tried import as_row, show

if TYPE_CHECKING:
    from consumers.model import Calibration
    from consumers.tally import Tally
    from daemon.draft import BackTest, Difference, Tried
    from daemon.trial import Tested

_DAYS_SHOWN = 14


def print_report(found: "Tested", days: int) -> None:
    from daemon.cli.topics_curve import print_curve

    tested = found.back_test
    span = "day" if days == 1 else f"{days} days"
    typer.echo(plain(f"{tested.topic.query} · {tested.topic.kind} · {_articles(tested.articles)} of the last {span}"))
    for line in _restrictions(found):
        typer.echo(plain(line))
    if not tested.articles:
        typer.echo("Nothing was read in that time: try more --days.")
        return
    typer.echo(f"{_a_day(tested.tally)} in {span}); {tested.tally.near:,} just below the line")
    if tested.tally.stopped:
        stopped = ", ".join(f"{gate} {count:,}" for gate, count in tested.tally.stopped.items())
        typer.echo(f"Above the line, and stopped by a gate: {stopped}")
    if tested.tally.by_day:
        typer.echo("  " + " · ".join(f"{day} {stories}" for day, _, stories in tested.tally.by_day[-_DAYS_SHOWN:]))
    if tested.curve is not None:
        typer.echo("")
        print_curve(tested.curve, tested.topic)
    if tested.difference is not None:
        _print_difference(tested, tested.difference)
    _print_samples("Best", tested.best)
    _print_samples("Just above the line", tested.just_above)
    _print_samples("Just below the line: these would not alert", tested.just_below)
    _print_samples("Above the line, and stopped by a gate", tested.stopped)


def _restrictions(found: "Tested") -> Iterator[str]:
    if found.left_out:
        yield f"{found.left_out:,} of the archive were read with another model, or have no text, and are left out."
    if found.share < 1:
        yield f"The archive is large: {found.share:.0%} of its articles were looked at, evenly out of all of them."
    if found.back_test.tally.beyond:
        yield f"{found.back_test.tally.beyond:,} more are above the line and were not counted: narrow the topic."
    if not found.back_test.calibration.articles:
        yield "The archive is too small to draw a line for this topic: judged by the line that is shipped."
    for each in found.unread:
        yield f"The example {each.ref} does not count here: {each.why}."


def _a_day(tally: "Tally") -> str:
    """Without its last bracket, so that the days can be added."""
    from consumers.watch import about

    stories = f"{tally.stories:,} {'story' if tally.stories == 1 else 'stories'}"
    counted = f"({stories}, {_articles(tally.above)}"
    if tally.a_day is None:
        return f"too few days to say how many alerts a day {counted}"
    return f"{about(tally.a_day, 'alert', 'alerts')} {counted}"


def _print_difference(tested: "BackTest", difference: "Difference") -> None:
    from daemon.proposals import changes

    said = ", ".join(each.said for each in changes(difference.topic, tested.topic))
    typer.echo(plain(f"\nAgainst version {difference.topic.version}, which is in force ({said}):"))
    typer.echo(f"  in force: {_a_day(difference.tally)})")
    typer.echo(f"  {_articles(difference.both)} in both, {difference.gained:,} new, {difference.lost:,} no more")
    _print_samples("New with this draft", difference.samples_gained)
    _print_samples("No more with this draft", difference.samples_lost)


def _print_samples(heading: str, samples: "Sequence[Tried]") -> None:
    if samples:
        typer.echo(f"\n{heading}")
        for tried in samples:
            show(tried)


def _articles(count: int) -> str:
    return f"{count:,} {'article' if count == 1 else 'articles'}"


# -- JSON


def as_json(found: "Tested", days: int) -> dict[str, object]:
    tested, difference = found.back_test, found.back_test.difference
    return {
        "topic": asdict(tested.topic),
        "days": days,
        "since": tested.since,
        "archived": found.archived,
        "share": found.share,
        "left_out": found.left_out,
        "unread_examples": [asdict(each) for each in found.unread],
        "articles": tested.articles,
        "line": drawn_from(tested.calibration),
        **_tally_row(tested.tally),
        "curve": None if tested.curve is None else asdict(tested.curve),
        "best": _rows(tested.best),
        "just_above": _rows(tested.just_above),
        "just_below": _rows(tested.just_below),
        "stopped_samples": _rows(tested.stopped),
        "difference": None
        if difference is None
        else {
            "version": difference.topic.version,
            "in_force": _tally_row(difference.tally),
            "both": difference.both,
            "gained": difference.gained,
            "lost": difference.lost,
            "both_samples": _rows(difference.samples_both),
            "gained_samples": _rows(difference.samples_gained),
            "lost_samples": _rows(difference.samples_lost),
        },
    }


def _tally_row(tally: "Tally") -> dict[str, object]:
    return {
        "above": tally.above,
        "stories": tally.stories,
        "alerts_a_day": tally.a_day,
        "near": tally.near,
        "stopped": dict(tally.stopped),
        "beyond": tally.beyond,
        "by_day": [{"day": day, "articles": articles, "stories": stories} for day, articles, stories in tally.by_day],
    }


def _rows(samples: "Sequence[Tried]") -> list[dict[str, object]]:
    return [as_row(tried) for tried in samples]


def drawn_from(calibration: "Calibration | None") -> dict[str, object]:
    articles = calibration.articles if calibration else 0
    return {"drawn_from_articles": articles, "alerts_a_day": calibration.expected if calibration else None}
