"""What a macaroon allows, read from a real one (of a throw-away node) and from what is none."""

from __future__ import annotations

import pytest

from bot.nodes.lnd.rights import NEEDED, rights_of

BAKED = "0201036c6e640256030a106a47628dc459531dcf780fd2ce4f72931201301a0c0a04696e666f1204726561641a170a08696e766f69636573120472656164120577726974651a170a086f6666636861696e12047265616412057772697465000006208cb61dbfa094177d0487699fb8195674b34e2cc965bfe2e573e05671510bb3e4"


def test_the_rights_of_a_macaroon_that_lnd_baked() -> None:
    assert rights_of(bytes.fromhex(BAKED)) == NEEDED


@pytest.mark.parametrize("cut", range(0, 91, 7))
def test_half_a_macaroon_says_nothing_wrong(cut: int) -> None:
    assert rights_of(bytes.fromhex(BAKED)[:cut]) is None


@pytest.mark.parametrize(
    "raw", [b"", b"\x02", b"\x01abc", b"macaroon", b"\x02\x02\x01\x04\x00", b"\x02\x02\x03\x03\x1a\xff\x00"]
)
def test_what_is_no_macaroon_of_lnd(raw: bytes) -> None:
    assert rights_of(raw) is None
