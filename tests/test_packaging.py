"""The wheel: what is in it, and that it works where the checkout is not.

``make test-wheel`` runs the whole suite against it.
"""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
PACKAGES = ("consumers", "daemon")

pytestmark = pytest.mark.skipif(
    not (CHECKOUT / "daemon").is_dir(), reason="there is nothing to build a wheel from here"
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, CHECKOUT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", target, wheel, cwd=target)
    return target


def run(*command: str | Path, cwd: Path, path: Path | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_wheel_takes_two_names_and_no_more(contents: set[str]) -> None:
    tops = {name.split("/")[0] for name in contents}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert len(tops) == len(PACKAGES) + 1


def test_the_wheel_holds_every_file_of_the_packages_and_the_starter_configuration(contents: set[str]) -> None:
    sources = {
        path.relative_to(CHECKOUT).as_posix()
        for package in PACKAGES
        for path in (CHECKOUT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    starter = {f"daemon/starter/{name}.toml" for name in ("wirewatch", "topics", "feeds")}
    shipped = {name for name in contents if ".dist-info/" not in name}
    assert shipped - sources == starter
    assert sources - shipped == set()
    for needed in ("daemon/web/templates/", "daemon/web/static/", "daemon/store/migrations/versions/0001"):
        assert any(name.startswith(needed) for name in shipped), f"nothing under {needed}"


def test_the_wheel_says_what_it_is(wheel: Path, contents: set[str]) -> None:
    with zipfile.ZipFile(wheel) as archive:
        facts = {name.rsplit("/", 1)[1]: archive.read(name).decode() for name in contents if ".dist-info/" in name}
    assert "Classifier: Private :: Do Not Upload" in facts["METADATA"]
    assert "License-Expression: Apache-2.0" in facts["METADATA"]
    assert "wirewatch = daemon.__main__:main" in facts["entry_points.txt"]
    assert "Apache License" in facts["LICENSE"]


def test_the_installed_command_works_in_another_folder(installed: Path, tmp_path: Path) -> None:
    command = installed / "bin" / "wirewatch"
    where = run(sys.executable, "-c", "import daemon; print(daemon.__file__)", cwd=tmp_path, path=installed)
    assert where.startswith(str(installed))
    assert "wirewatch " in run(command, "--version", cwd=tmp_path, path=installed)
    assert "dead-letters" in run(command, "--help", cwd=tmp_path, path=installed)
    run(command, "init", "desk", cwd=tmp_path, path=installed)
    assert {path.name for path in (tmp_path / "desk").glob("*.toml")} == {"wirewatch.toml", "topics.toml", "feeds.toml"}


def test_the_installed_store_finds_its_migrations(installed: Path, tmp_path: Path) -> None:
    code = (
        "import pathlib; from daemon.store.opening import open_store; open_store('sqlite:', pathlib.Path('d')).close()"
    )
    run(sys.executable, "-c", code, cwd=tmp_path, path=installed)
    assert (tmp_path / "d" / "store.sqlite").stat().st_size > 4096
