"""The rules for Prometheus and the dashboard for Grafana ask for what /metrics gives."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest
import yaml

from daemon.telemetry import Metrics, Observed, Tally

DEPLOY = Path(__file__).parents[1] / "deploy"
RULES = DEPLOY / "prometheus" / "wirewatch.rules.yaml"

pytestmark = pytest.mark.skipif(not DEPLOY.is_dir(), reason="the pages are not part of the wheel")


@cache
def samples() -> Mapping[str, frozenset[str]]:
    """Every sample that Prometheus can get of us, with its labels."""
    found: dict[str, frozenset[str]] = {}
    for family in Metrics(version="v", python="p").registry.collect():
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, frozenset()) | frozenset(sample.labels)
    for one in vars(Metrics(version="v", python="p")).values():
        if isinstance(one, Observed):  # gives no sample before it has a source
            found[one._name] = frozenset(one._labels)
        elif isinstance(one, Tally):  # gives none before it has counted, where its labels have no fixed values
            found[f"{one._counter._name}_total"] = frozenset(one._counter._labelnames)
    return found


def expressions() -> Iterator[tuple[str, str]]:
    rules = yaml.safe_load(RULES.read_text("utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    board = json.loads((DEPLOY / "grafana" / "wirewatch.json").read_text("utf-8"))
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"]


def wrong_names(expression: str) -> list[str]:
    """Samples and labels that we do not have. Prometheus adds job and instance, the scrape role."""
    wrong = []
    for name, braces in re.findall(r"\b((?:wirewatch|process)_\w+)(\{[^}]*\})?", expression):
        if name not in samples():
            wrong.append(name)
            continue
        wrong += [
            f"{name}{{{label}}}"
            for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", braces)
            if label not in samples()[name] | {"job", "instance", "role"}
        ]
    known = frozenset().union(*samples().values()) | {"job", "instance", "role"}
    by = [label for labels in re.findall(r"\b(?:by|without) \(([^)]*)\)", expression) for label in labels.split(", ")]
    return wrong + [f"by ({label})" for label in by if label not in known]


def test_a_wrong_name_is_noticed() -> None:
    assert wrong_names('sum by (le) (rate(wirewatch_poll_seconds_bucket{instance="x"}[5m]))') == []
    assert wrong_names("wirewatch_polls") == ["wirewatch_polls"]
    assert wrong_names('wirewatch_polls_total{result="x"}') == ["wirewatch_polls_total{result}"]
    assert wrong_names("max by (topic) (wirewatch_dead_letters)") == ["by (topic)"]


def test_rules_and_dashboard_ask_for_metrics_that_exist() -> None:
    every = list(expressions())
    assert len(every) > 45
    assert {name: wrong for name, expression in every if (wrong := wrong_names(expression))} == {}


def test_rules_and_dashboard_know_every_metric_that_an_operator_needs() -> None:
    used = " ".join(expression for _, expression in expressions())
    unused = {name for name in samples() if name.startswith("wirewatch_") and not name.endswith("_created")}
    bases = {name: re.sub("_(bucket|sum|count)$", "", name) for name in unused}
    unused = {name for name, base in bases.items() if not re.search(rf"\b{base}(_bucket|_sum|_count)?\b", used)}
    assert unused == {"wirewatch_disk_free_bytes"}  # of one machine


def test_rules_name_values_of_labels_that_we_give() -> None:
    values: dict[str, set[str]] = {}
    for family in Metrics(version="v", python="p").registry.collect():
        for sample in family.samples:
            for label, value in sample.labels.items():
                values.setdefault(label, set()).add(value)
    used = {
        value
        for _, expression in expressions()
        for label, value in re.findall(r'\b(outcome|kind|channel_kind)="(\w+)"', expression)
        if value not in values[label]
    }
    assert used == set()


def test_what_is_tested_of_the_rules_are_the_rules() -> None:
    rules = yaml.safe_load(RULES.read_text("utf-8"))
    names = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    text = (DEPLOY / "prometheus" / "wirewatch.test.yaml").read_text("utf-8")
    assert set(re.findall(r"Wirewatch\w+", text)) <= names
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert set(rule["annotations"]) == {"summary", "description"}
            assert rule["labels"]["severity"] in ("page", "warn")
