"""Alerts a day against sensitivity: as a plot in the terminal, as a table, as a picture."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from daemon.cli.context import fail, plain

if TYPE_CHECKING:
    from consumers.model import Topic
    from consumers.tally import Curve

_PLACES = {"fewer": 0.0, "balanced": 0.5, "more": 1.0}
_WIDEST, _HEIGHT = 76, 14  # of a plot, in characters
_NARROWEST = 40  # columns; below, the table is easier to read


def print_curve(curve: "Curve", topic: "Topic") -> None:
    """A plot where somebody looks at it, else one line for each word."""
    from rich.console import Console

    console = Console()
    drawable = console.encoding.lower().startswith("utf")
    if console.is_terminal and drawable and console.width >= _NARROWEST:
        typer.echo(plot(curve, min(console.width, _WIDEST)))
    else:
        typer.echo(table(curve, topic))


def plot(curve: "Curve", width: int) -> str:
    """In characters, without colours; ● is where the topic stands."""
    import plotext

    figure = plotext.figure
    figure.clear()
    figure.theme("colorless")
    figure.plot_size(width, _HEIGHT)
    places, a_day = zip(*curve.points, strict=True)
    figure.draw(figure.signal(list(places), list(a_day), marker="braille").lines())
    figure.draw(figure.signal([curve.here], [curve.a_day], marker="●"))
    figure.ruler("y").lim(0, max(*a_day, 0.1) * 1.1)
    figure.ruler("x").ticks(list(_PLACES.values()), list(_PLACES))
    figure.title("alerts a day, by sensitivity")
    text: str = figure.build().string(colorless=True)
    return text.rstrip()


def table(curve: "Curve", topic: "Topic") -> str:
    lines = ["Alerts a day, by sensitivity:"]
    for word, a_day in curve.words.items():
        here = "  <- this topic" if topic.alerts_per_day is None and word == topic.sensitivity else ""
        lines.append(f"  {word:<10}{a_day:6.1f}{here}")
    if topic.alerts_per_day is not None:
        lines.append(f"  {'wanted':<10}{topic.alerts_per_day:6.1f}  <- this topic, which comes to {curve.a_day:.1f}")
    return "\n".join(lines)


def write_png(curve: "Curve", topic: "Topic", file: Path) -> None:
    """Exits with code 1 where the file cannot be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    places, a_day = zip(*curve.points, strict=True)
    axes.step(places, a_day, where="mid")
    axes.plot([curve.here], [curve.a_day], "o")
    axes.annotate("this topic", (curve.here, curve.a_day), textcoords="offset points", xytext=(8, -12))
    axes.set_xticks(list(_PLACES.values()), list(_PLACES))
    axes.set_ylim(bottom=0)
    axes.set_ylabel("alerts a day")
    # a "$" would begin a formula
    axes.set_title(plain(topic.query)[:80].replace("$", r"\$"))
    try:
        figure.savefig(file, format="png", dpi=120)
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}")
