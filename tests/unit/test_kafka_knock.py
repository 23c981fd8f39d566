"""Asking a server why it does not let us in: what is no answer is never taken for one.

What real brokers answer is in tests/end_to_end/test_kafka_security.py.
"""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from daemon.errors import Unusable
from daemon.log.broker import Broker
from daemon.log.kafka_knock import Mechanism, knock

CONTEXTS = {"tls": ssl.create_default_context(), "plain": None}
TAKES_NO_LOGIN = b"\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x22\x00\x00\x00\x00"
NONSENSE = {
    "answers too little": b"\x00\x00\x00\x06\x00\x00\x00\x01\x00\x00",
    "promises more than it has": b"\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x07",
}


@contextmanager
def server(answer: bytes) -> Iterator[str]:
    """Says ``answer`` to whoever connects, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):  # closed, at the end
                while True:
                    connection, _ = listening.accept()
                    with connection, suppress(OSError):
                        connection.sendall(answer)
                        connection.shutdown(socket.SHUT_WR)
                        while connection.recv(65_536):
                            pass

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def no_login() -> Mechanism:
    raise AssertionError("there is nobody to log in to")


def broker(address: str, context: ssl.SSLContext | None) -> Broker:
    return Broker(servers=(address,), tls=context is not None, sasl="scram-sha-512", username="w", password="p")


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
def test_a_server_that_is_away_is_not_judged(context: ssl.SSLContext | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"127.0.0.1:{gone.getsockname()[1]}"
    knock(broker(address, context), context, no_login)


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
def test_a_server_that_breaks_off_is_not_judged(context: ssl.SSLContext | None) -> None:
    """It may be starting, or stopping."""
    with server(b"") as address:
        knock(broker(address, context), context, no_login)


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE)
def test_a_server_that_makes_no_sense_is_not_judged(answer: bytes) -> None:
    with server(answer) as address:
        knock(broker(address, None), None, no_login)


def test_a_server_that_answers_tls_with_something_else_will_never_let_us_in() -> None:
    with server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address, pytest.raises(Unusable, match="set tls = false"):
        knock(broker(address, CONTEXTS["tls"]), CONTEXTS["tls"], no_login)


def test_a_server_that_is_away_does_not_hide_what_the_next_one_says() -> None:
    with server(b"") as silent, server(TAKES_NO_LOGIN) as address, pytest.raises(Unusable, match=f"{address} takes no"):
        knock(replace(broker(silent, None), servers=(silent, address)), None, no_login)


def test_where_one_server_lets_us_in_the_others_are_not_asked() -> None:
    with server(TAKES_NO_LOGIN) as address:
        knock(Broker(servers=(address, "nowhere.invalid:port")), None, no_login)
