"""Which addresses are public, and that a name is asked for once, in any spelling of an address."""

from __future__ import annotations

import ipaddress

import pytest

from bot.addresses import is_public, resolve


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1",
        "fe80::1", "fc00::1", "fec0::1", "ff02::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "::ffff:0:7f00:1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "100::1", "2002:7f00:1::", "2001:db8::1", "3fff::1",
        "5f00::1", "2001:0:53aa:64c:0:fbff:ad51:c0de",
    ],
)  # fmt: skip
def test_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:1.1.1.1", "2002:101:101::"])
def test_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("spelling", ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1"])
async def test_every_spelling_of_an_address_is_that_address(spelling: str) -> None:
    assert await resolve(spelling) == ["127.0.0.1"]


@pytest.mark.parametrize("host", ["no such name", "a..b", "x" * 70 + ".example"])
async def test_no_address(host: str) -> None:
    with pytest.raises((OSError, UnicodeError)):
        await resolve(host)
