"""Ports of servers that are stopped and started again."""

import fcntl
import json
import os
import random
import socket
import tempfile
from pathlib import Path
from typing import IO

_ours: dict[int, IO[bytes]] = {}  # open for as long as this process lives: the lock of each port that it has chosen


def free_ports(count: int) -> list[int]:
    """Different loopback ports that nobody listens on, and that no other process of a test or a benchmark has chosen.

    A server listens some seconds after its port was chosen, and not at all while it is stopped.

    All are below 32768, where Linux begins to hand out ports to outgoing connections. A server's port from that range
    is lost while the server is down: a client that tries again and again is in the end given that very port as its
    own, connects to itself, and the server can no longer bind it.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0 and _choose(port):
                found.append(port)
    return found


def _choose(port: int) -> bool:
    """Whether it is ours alone from now on; the end of this process, however it ends, gives it back."""
    folder = Path(tempfile.gettempdir()) / f"wirewatch-ports-{os.geteuid()}"
    folder.mkdir(exist_ok=True)
    lock = (folder / str(port)).open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return False
    _ours[port] = lock
    return True


def kept_ports(file: Path, count: int) -> list[int]:
    """The ports in the file; chosen and written there the first time.

    Raises:
        ValueError: the file was written for another number of ports.
    """
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(free_ports(count)), encoding="utf-8")
    ports: list[int] = json.loads(file.read_text(encoding="utf-8"))
    if len(ports) != count:
        raise ValueError(f"{file.parent} was made for {len(ports)} ports, not {count}: take another folder")
    return ports
