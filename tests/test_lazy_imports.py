"""What answers at once imports nothing heavy: help, completion, and everything a consumer is made of."""

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {
    "aiohttp",
    "aiosmtplib",
    "alembic",
    "apprise",
    "apscheduler",
    "asyncio",
    "faiss",
    "fastapi",
    "feedparser",
    "jinja2",
    "kafka",
    "numpy",
    "prometheus_client",
    "pydantic",
    "rich",
    "sentence_transformers",
    "slack_sdk",
    "sqlalchemy",
    "tomlkit",
    "torch",
    "transformers",
    "watchfiles",
}
# what computes vectors: each is imported where a model is opened, and nowhere else
COMPUTING = {"consumers.packed_bert", "consumers.packed_encoder", "consumers.reference_encoder"}


def imported(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after ``statement``."""
    program = f"import sys\n{statement}\nprint('\\n', *sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return {name.partition(".")[0] for name in ended.stdout.rpartition("\n ")[2].split()}


def typed(*arguments: str) -> str:
    return f"from daemon.cli import app\ntry: app({arguments!r})\nexcept SystemExit as end: assert not end.code"


def test_the_command_line_imports_nothing_heavy() -> None:
    assert imported("import daemon.cli") & HEAVY == set()


def test_help_imports_nothing_heavy() -> None:
    assert imported(typed("--help")) & HEAVY == set()


@pytest.mark.parametrize("arguments", [["topics", "--help"], ["topics", "add", "--help"], ["--version"]])
def test_the_help_of_a_command_imports_nothing_heavy_but_what_typer_needs(arguments: list[str]) -> None:
    assert imported(typed(*arguments)) & HEAVY <= {"pydantic"}


def test_completion_imports_nothing_heavy() -> None:
    environment = {
        **os.environ,
        "_WIREWATCH_COMPLETE": "complete_bash",
        "COMP_WORDS": "wirewatch to",
        "COMP_CWORD": "1",
    }
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "daemon"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.stdout.split() == ["topics"]
    seen = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.stderr.splitlines()}
    assert seen & HEAVY <= {"pydantic"}


@pytest.mark.parametrize("module", ["consumers", "consumers.model", "consumers.errors", "consumers.ids", "daemon.wire"])
def test_what_everybody_imports_is_cheap(module: str) -> None:
    assert imported(f"import {module}") & HEAVY == set()


def modules(package: str) -> list[str]:
    """Wherever it is installed."""
    found = importlib.import_module(package)
    return [package, *(module.name for module in pkgutil.walk_packages(found.__path__, f"{package}."))]


def test_importing_consumers_never_loads_a_model_or_an_index() -> None:
    others = [module for module in modules("consumers") if module not in COMPUTING]
    assert len(others) == len(modules("consumers")) - len(COMPUTING)
    assert (
        imported("import " + ", ".join(others))
        & {
            "torch",
            "transformers",
            "sentence_transformers",
            "faiss",
            "kafka",
            "sqlalchemy",
        }
        == set()
    )
