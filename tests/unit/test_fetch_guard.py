import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.fetch.guard import EgressGuard, EgressRefused

REFUSED = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.1.2.3 169.254.0.1 172.16.0.1 172.31.255.255
192.0.0.1 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1
239.255.255.250 240.0.0.1 255.255.255.255
:: ::1 ::7f00:1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::127.0.0.1 64:ff9b::a00:1
64:ff9b:1::8.8.8.8 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:10::1 2001:20::1 2001:db8::1
2002:808:808::1 2002:7f00:1::1 3ffe::1 3fff::1 5f00::1 fc00::1 fd12:3456::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1
2606:4700:0:0:0:5efe:7f00:1 4000::1
""".split()

DIALLED = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 172.15.0.1 172.32.0.1 192.0.1.1 198.17.1.1
223.255.255.255 2606:4700:4700::1111 2001:4860:4860::8888 2a00:1450:4001::1 2620:fe::fe ::ffff:8.8.8.8 64:ff9b::808:808
""".split()

METADATA = ["169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"]


@pytest.mark.parametrize("address", REFUSED + METADATA)
def test_what_is_not_public_is_refused(address: str) -> None:
    assert EgressGuard().refusal(address)


@pytest.mark.parametrize("address", DIALLED)
def test_what_is_public_is_dialled(address: str) -> None:
    assert EgressGuard().refusal(address) == ""


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "fd12::7"])
def test_an_allowed_network_is_dialled_by_whatever_way_it_is_written(address: str) -> None:
    guard = EgressGuard(["10.1.0.0/16", "fd12::/64"])
    assert guard.refusal(address) == ""
    assert guard.refusal("10.2.0.1")


@pytest.mark.parametrize("address", METADATA)
def test_a_metadata_service_is_refused_inside_an_allowed_block(address: str) -> None:
    assert EgressGuard(["0.0.0.0/0", "::/0"]).refusal(address) == "a cloud's metadata service"
    assert EgressGuard([address]).refusal(address) == ""


def test_a_socket_is_made_only_for_what_may_be_dialled() -> None:
    guard = EgressGuard(["127.0.0.0/8"])
    guard.socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))).close()
    with pytest.raises(EgressRefused) as caught:
        guard.socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 80)))
    assert (caught.value.address, caught.value.why) == ("10.0.0.1", "a private network")


def test_a_network_that_is_none_is_an_error_at_once() -> None:
    with pytest.raises(ValueError):
        EgressGuard(["10.0.0.0/99"])


@given(st.ip_addresses())
def test_whatever_is_dialled_is_global_in_python_s_eyes_too(address: object) -> None:
    guard = EgressGuard()
    if not guard.refusal(str(address)):
        assert address.is_global or str(address).startswith("64:ff9b::")  # type: ignore[attr-defined]


@given(st.text())
def test_garbage_is_refused(text: str) -> None:
    assert EgressGuard().refusal("x" + text)
