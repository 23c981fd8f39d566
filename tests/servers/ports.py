"""Ports of servers that are stopped and started again."""

import random
import socket


def free_ports(count: int) -> list[int]:
    """Different loopback ports that nobody listens on.

    All are below 32768, where Linux begins to hand out ports to outgoing connections. A server's port from that range
    is lost while the server is down: a client that tries again and again is in the end given that very port as its
    own, connects to itself, and the server can no longer bind it.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as probe:
            if port not in found and probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
    return found
