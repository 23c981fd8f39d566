"""The web server inside the daemon's own asyncio loop."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Generator
from ipaddress import ip_address
from typing import TYPE_CHECKING

from daemon.errors import Unusable

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_DRAIN = 3  # seconds for answers that are under way when the daemon stops


def is_loopback(host: str) -> bool:
    """Of a literal address or the name "localhost"; no other name is looked up."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def bind(listen: str, *, page: bool = True) -> socket.socket:
    """A listening socket for ``listen``, "host:port". Early, so that a port in use is said before anything runs.

    Raises ``Unusable``: in use, not possible here, or not a loopback address where the ``page`` is served, which has
    no login yet.
    """
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    if page and not is_loopback(host):
        raise Unusable(
            f'[web] listen = "{listen}" would show the page to the network, and it has no login: set it to '
            '"127.0.0.1:8470" and put a reverse proxy that asks for a password in front of it'
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, int(port)))
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise Unusable(_why(listen, error)) from error
    bound.setblocking(False)
    return bound


def address(bound: socket.socket) -> str:
    """ "host:port" of a bound socket, as it stands in a link."""
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def serve(app: "ASGIApp", bound: socket.socket, stop: asyncio.Event) -> None:
    """Answers until ``stop``, then finishes what is under way for at most three seconds. Closes ``bound``."""
    import uvicorn

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Generator[None, None, None]:
            yield  # signals belong to the daemon, which stops every role in order

    server = Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,  # whoever reaches loopback could forge them
            server_header=False,
            timeout_graceful_shutdown=_DRAIN,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        server.should_exit = True
        await serving


def _why(listen: str, error: OSError) -> str:
    setting = f'[web] listen = "{listen}"'
    if error.errno == errno.EADDRINUSE:
        return f"{setting}: another program uses this port; stop it, or choose another port in wirewatch.toml"
    if error.errno == errno.EACCES:
        return f"{setting}: this user may not use this port; choose one above 1023 in wirewatch.toml"
    return f"{setting} is not possible on this machine ({error.strerror}); choose another address in wirewatch.toml"
