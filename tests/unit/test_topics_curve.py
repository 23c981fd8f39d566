"""The curve of a back-test: as a plot, as a table, as a picture."""

from dataclasses import replace
from pathlib import Path

from consumers.model import Topic
from consumers.tally import Curve
from daemon.cli.topics_curve import plot, table, write_png

TOPIC = Topic(id="t", query="harbour $fire$ and _smoke_")
CURVE = Curve(
    points=tuple((n / 10, n / 5) for n in range(11)),
    words={"fewer": 0.0, "balanced": 1.0, "more": 2.0},
    here=0.5,
    a_day=1.0,
)


def test_the_plot_has_the_three_words_the_place_of_the_topic_and_no_colours():
    drawn = plot(CURVE, 60)
    assert drawn.splitlines()[-1].split() == ["fewer", "balanced", "more"]
    assert "●" in drawn
    assert "\x1b" not in drawn.replace("\x1b[0m", "")
    assert max(len(line) for line in drawn.splitlines()) <= 60


def test_the_plot_begins_at_no_alert_a_day():
    flat = replace(CURVE, points=tuple((x, 0.2) for x, _ in CURVE.points), a_day=0.2)
    assert "-0" not in plot(flat, 60)
    assert plot(replace(flat, points=tuple((x, 0.0) for x, _ in CURVE.points), a_day=0.0), 60)


def test_a_second_plot_shows_nothing_of_the_first():
    assert plot(CURVE, 60) == plot(CURVE, 60)


def test_the_table_marks_where_the_topic_stands():
    assert table(CURVE, TOPIC).splitlines()[2] == "  balanced     1.0  <- this topic"


def test_a_topic_that_names_a_number_is_shown_with_what_it_comes_to():
    last = table(replace(CURVE, here=0.7, a_day=1.4), replace(TOPIC, alerts_per_day=1.5)).splitlines()[-1]
    assert last == "  wanted       1.5  <- this topic, which comes to 1.4"


def test_the_picture_takes_any_query_as_its_title(tmp_path: Path):
    write_png(CURVE, TOPIC, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 5_000
