import re
from typing import get_args

from prometheus_client import generate_latest

from daemon.errors import Unavailable
from daemon.fetch.failure import FailureKind
from daemon.fetch.items import Outcome
from daemon.telemetry import Metrics, describe


def exported(metrics: Metrics) -> dict[str, float]:
    lines = generate_latest(metrics.registry).decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def new() -> Metrics:
    return Metrics(version="1.2.3", python="3.11.7")


def test_every_metric_has_a_meaning_in_a_sentence():
    described = describe()
    assert len(described) >= 20
    for metric in described:
        assert re.fullmatch(r"wirewatch_[a-z_]+", metric.name)
        assert len(metric.meaning) >= 9, metric.name
        assert metric.meaning.endswith("."), metric.name


def test_names_follow_the_conventions_of_prometheus():
    names = [metric.name for metric in describe()]
    assert len(names) == len(set(names))
    assert all(name.endswith("_seconds") for name in names if "latency" in name or "lateness" in name)


def test_every_outcome_is_exported_before_the_first_article():
    values = exported(new())
    for outcome in get_args(Outcome):
        assert values[f'wirewatch_articles_read_total{{outcome="{outcome}"}}'] == 0
    for kind in get_args(FailureKind):
        assert values[f'wirewatch_polls_total{{outcome="{kind}"}}'] == 0
    assert values['wirewatch_deliveries_total{channel_kind="slack",outcome="dead"}'] == 0


def test_a_count_is_seen_under_its_outcome_and_in_the_total():
    metrics = new()
    metrics.articles_read.add("new", count=3)
    metrics.articles_read.add("unchanged")
    assert exported(metrics)['wirewatch_articles_read_total{outcome="new"}'] == 3
    assert metrics.articles_read.total() == 4


def test_a_count_without_labels_has_a_total_too():
    metrics = new()
    metrics.matches.add(count=2)
    assert metrics.matches.total() == 2


def test_what_is_looked_up_at_the_scrape_is_as_it_is_then():
    metrics, lag = new(), {("articles", "match"): 7.0}
    metrics.log_lag.read_from(lambda: lag)
    assert exported(metrics)['wirewatch_log_lag_records{group="match",stream="articles"}'] == 7
    lag[("articles", "match")] = 0.0
    assert exported(metrics)['wirewatch_log_lag_records{group="match",stream="articles"}'] == 0


def test_what_cannot_be_read_now_is_left_out_and_the_rest_is_exported():
    def away() -> dict[tuple[str, ...], float]:
        raise Unavailable("the store cannot be read")

    metrics = new()
    metrics.dead_letters.read_from(away)
    values = exported(metrics)
    assert "wirewatch_dead_letters" not in values
    assert values['wirewatch_build_info{python="3.11.7",version="1.2.3"}'] == 1


def test_two_registries_do_not_know_of_each_other():
    first, second = new(), new()
    first.alerts.add("first")
    assert second.alerts.total() == 0
