"""Why a Kafka cluster does not let us in. Imports no Kafka.

kafka-python tries for ever where a handshake fails, and in the end tells of a timeout, whatever the reason. So after
a failure the servers are asked here, with the first requests of a connection and nothing else:
https://kafka.apache.org/protocol.html, SaslHandshake and SaslAuthenticate.
"""

import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from typing import Protocol

from daemon.errors import Unusable
from daemon.log.broker import Broker

_PATIENCE = 2.0  # seconds for a server to connect and for each of its answers
_LONGEST = 65_536  # bytes; what is longer is no answer to these questions
_HANDSHAKE, _AUTHENTICATE = (17, 1), (36, 0)  # request and its version
_UNKNOWN_MECHANISM, _NO_LOGIN_HERE, _REFUSED = 33, 34, 58


class Mechanism(Protocol):
    """One login. kafka-python's own are such."""

    def auth_bytes(self) -> bytes: ...
    def receive(self, auth_bytes: bytes) -> object: ...
    def is_done(self) -> bool: ...


def knock(broker: Broker, context: ssl.SSLContext | None, mechanism: Callable[[], Mechanism]) -> None:
    """Raises ``Unusable``, with the keys to look at, where a server answers and would never let us in.

    Returns as soon as one lets us in. One that is away, or breaks off, is not judged. ``mechanism`` makes a login.
    """
    for server in broker.servers:
        host, _, port = server.rpartition(":")
        address = (host.strip("[]"), int(port))
        try:
            if _enters(address, broker, server, context, mechanism):
                return
        except ssl.SSLCertVerificationError as error:
            raise Unusable(
                f"[log] the certificate of {server} is not trusted ({error.verify_message}): set ca_file to the "
                "authority that issued it, and url to a name that it is issued for"
            ) from error
        except (TimeoutError, ValueError, LookupError):  # away, or its part of a login makes no sense
            continue
        except OSError as error:
            _judge(error, address, broker, server)


def _enters(
    address: tuple[str, int],
    broker: Broker,
    server: str,
    context: ssl.SSLContext | None,
    mechanism: Callable[[], Mechanism],
) -> bool:
    with socket.create_connection(address, timeout=_PATIENCE) as plain:
        if context is None:
            return _logs_in(plain, broker, server, mechanism)
        with context.wrap_socket(plain, server_hostname=address[0]) as secured:
            return _logs_in(secured, broker, server, mechanism)


def _judge(error: OSError, address: tuple[str, int], broker: Broker, server: str) -> None:
    """A server that starts or stops breaks off as well: what counts is what it says, and how it answers otherwise."""
    said = "" if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) else getattr(error, "reason", "")
    if not broker.tls and _speaks_tls(address):
        raise Unusable(f"[log] {server} expects TLS: set tls = true, and ca_file where it needs one") from error
    if broker.tls and (said == "WRONG_VERSION_NUMBER" or _speaks_plainly(address, broker.client)):
        raise Unusable(
            f"[log] {server} does not answer with TLS: take the port of its TLS listener, or set tls = false"
        ) from error
    if said:
        raise Unusable(
            f"[log] {server} ends TLS ({said}): where it asks for a certificate, name yours with cert_file and key_file"
        ) from error


def _speaks_tls(address: tuple[str, int]) -> bool:
    """Whoever it is: nothing is sent there."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(address, timeout=_PATIENCE) as plain:
            anybody.wrap_socket(plain).close()
    except OSError:
        return False
    return True


def _speaks_plainly(address: tuple[str, int], client: str) -> bool:
    try:
        with socket.create_connection(address, timeout=_PATIENCE) as plain:
            _handshake(plain, client, "PLAIN")
    except OSError:
        return False
    return True


def _logs_in(server_socket: socket.socket, broker: Broker, server: str, mechanism: Callable[[], Mechanism]) -> bool:
    wanted = (broker.sasl or "plain").upper()
    problem, offered = _handshake(server_socket, broker.client, wanted)
    if problem == _NO_LOGIN_HERE and broker.sasl:
        raise Unusable(f'[log] {server} takes no login: set sasl = "", or take the port of a listener that does')
    if problem == _NO_LOGIN_HERE:
        return True
    if problem and problem != _UNKNOWN_MECHANISM:
        return False
    if not broker.sasl or problem:
        ours = " or ".join(f'"{name.lower()}"' for name in sorted(offered)) or "one that it does not name"
        raise Unusable(f"[log] {server} asks for another login: set sasl to {ours}, and username with its password")
    login = mechanism()
    while not login.is_done():
        problem, answer = _authenticate(server_socket, broker.client, login.auth_bytes())
        if problem == _REFUSED:
            raise Unusable(
                f'[log] {server} refuses the login of "{broker.username}" with {wanted}: check username, and '
                "password_env or password_file"
            )
        if problem:
            return False
        login.receive(answer)
    return True


def _handshake(server: socket.socket, client: str, mechanism: str) -> tuple[int, Sequence[str]]:
    """(error code, mechanisms offered)"""
    answer = _ask(server, client, _HANDSHAKE, struct.pack(">h", len(mechanism)) + mechanism.encode())
    problem, count = _unpacked(">hi", answer, 0)
    offered, at = [], 6
    for _ in range(count):
        (length,) = _unpacked(">h", answer, at)
        offered.append(answer[at + 2 : at + 2 + length].decode("ascii", "replace"))
        at += 2 + length
    return problem, offered


def _authenticate(server: socket.socket, client: str, token: bytes) -> tuple[int, bytes]:
    """(error code, answer to the token)"""
    answer = _ask(server, client, _AUTHENTICATE, struct.pack(">i", len(token)) + token)
    problem, length = _unpacked(">hh", answer, 0)
    return problem, answer[4 + max(0, length) + 4 :]


def _unpacked(layout: str, answer: bytes, at: int) -> tuple[int, ...]:
    try:
        return struct.unpack_from(layout, answer, at)
    except struct.error as error:
        raise ConnectionError("this is not Kafka's protocol") from error


def _ask(server: socket.socket, client: str, request: tuple[int, int], body: bytes) -> bytes:
    """Raises ``OSError`` where the answer does not come or is none."""
    name = client.encode()
    message = struct.pack(">hhih", *request, 1, len(name)) + name + body
    server.sendall(struct.pack(">i", len(message)) + message)
    (length,) = struct.unpack(">i", _exactly(server, 4))
    if not 4 < length <= _LONGEST:
        raise ConnectionError("this is not Kafka's protocol")
    return _exactly(server, length)[4:]  # after the number of the request


def _exactly(server: socket.socket, length: int) -> bytes:
    received = b""
    while len(received) < length:
        part = server.recv(length - len(received))
        if not part:
            raise ConnectionError("the server broke off")
        received += part
    return received
