"""Which node may be opened, and with which database."""

from __future__ import annotations

import ssl
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bot.config import BadConfig, Settings, policy_from
from bot.daemon import open_shop
from bot.nodes.opening import OtherNode, need_network, open_node
from handlers.answers import terms
from handlers.policy import Policy
from kinds.inputs import Now
from kinds.lightning import HoldRef, NodeFacts
from kinds.units import EventId, Msat, PaymentHash, Pubkey
from storage import house, reads
from storage.open import engine_for, migrate
from storage.reads import Watched

FACTS = NodeFacts("regtest", "lnbcrt", "02" + "ab" * 32, 500, "00" * 32, True, Msat(1), Msat(1), 10)
BOT = Pubkey("cd" * 32)
NOW = Now(1_900_000_000, 500, "00" * 32, 0, "00" * 32)


@pytest.mark.parametrize(
    ("wanted", "found"), [("", "simnet"), ("", "regtest"), ("signet", "signet"), ("bitcoin", "bitcoin")]
)
def test_a_network_that_was_meant(wanted: str, found: str) -> None:
    need_network(wanted, found)


@pytest.mark.parametrize(
    ("wanted", "found", "words"),
    [
        ("", "bitcoin", 'node.network = "bitcoin"'),
        ("signet", "bitcoin", "node.network is signet"),
        ("bitcoin", "signet", "the node is on signet"),
        ("simnet", "regtest", "the node is on regtest"),
    ],
)
def test_a_network_that_was_not_meant(wanted: str, found: str, words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        need_network(wanted, found)


def test_a_database_is_for_one_network_for_ever_and_for_one_node_while_it_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = engine_for(None)
    migrate(engine)

    def start(facts: NodeFacts) -> None:
        with engine.begin() as tx:
            open_shop(tx, Settings(), BOT, facts, NOW, ["wss://relay.example"])

    start(FACTS)
    start(FACTS)
    with pytest.raises(OtherNode, match="never mixed"):
        start(replace(FACTS, network="bitcoin"))
    other = replace(FACTS, pubkey="03" + "ef" * 32)
    held = Watched(HoldRef("task/h1", PaymentHash("ab" * 32)), "task", "", 0)
    with monkeypatch.context() as patch:
        patch.setattr(reads, "watched_holds", lambda *_: [held])
        start(FACTS)
        with pytest.raises(OtherNode, match="has holds or payouts on the node 02ab"):
            start(other)
    with engine.begin() as tx:
        assert house.get_json(tx, "node", None) == {"network": "regtest", "pubkey": FACTS.pubkey}
    start(other)
    engine.dispose()


def test_how_long_a_hold_lasts_depends_on_the_network_unless_said() -> None:
    def cltv(facts: NodeFacts, **terms: int) -> int:
        return policy_from(Settings.model_validate({"terms": terms}), BOT, facts, EventId("")).hold_cltv

    assert cltv(FACTS) == 864
    assert cltv(replace(FACTS, network="simnet")) == 2000
    assert cltv(FACTS, hold_cltv=1000) == 1000


def test_what_the_node_knows_and_the_cap_of_a_wallet_are_policy_and_terms() -> None:
    def policy(facts: NodeFacts, **settings: dict[str, object]) -> Policy:
        return policy_from(Settings.model_validate(settings), BOT, facts, EventId(""))

    whole = policy(FACTS, nwc={"max_sat": 500})
    assert (whole.can, whole.max_reward) == (("limits", "parts"), 10**9)
    assert (terms(whole)["sees_parts"], terms(whole)["limits_payouts"]) == (True, True)
    less = replace(FACTS, can=frozenset())
    wallet = policy(less, node={"kind": "nwc"})
    assert (wallet.can, wallet.max_reward, terms(wallet)["max_reward_msat"]) == ((), 10**8, 10**8)
    assert (terms(wallet)["sees_parts"], terms(wallet)["limits_payouts"]) == (False, False)
    assert policy(less, node={"kind": "nwc"}, terms={"max_reward_sat": 5000}).max_reward == 5_000_000
    assert policy(less, node={"kind": "nwc"}, nwc={"max_sat": 20_000}).max_reward == 20_000_000


@pytest.mark.parametrize(
    ("lnd", "margin", "words"),
    [
        ({}, 58, "lnd.tls_cert: name the file"),
        ({"tls_cert": "nowhere.cert"}, 58, "lnd.macaroon: name the file"),
        ({"tls_cert": "nowhere.cert", "macaroon": "nowhere.macaroon"}, 58, "nowhere.cert cannot be read"),
        ({}, 29, "LND cancels a hold by itself 18 blocks before"),
        ({"hold_expiry_delta": 100}, 58, "make the margin 112 or more"),
    ],
)
async def test_an_lnd_that_cannot_work_is_refused_by_what_is_missing(
    lnd: dict[str, Any], margin: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    settings = Settings.model_validate({"node": {"kind": "lnd"}, "lnd": lnd, "terms": {"margin": margin}})
    async with AsyncExitStack() as stack:
        with pytest.raises(BadConfig, match=words):
            await open_node(settings, stack, lambda: 0.0)


def test_lnd_is_spoken_to_by_https_only() -> None:
    with pytest.raises(ValidationError, match="only spoken to by https"):
        Settings.model_validate({"lnd": {"url": "http://127.0.0.1:8080"}})


async def test_an_lnd_is_opened_with_a_macaroon_from_systemd_and_makes_its_key_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = tmp_path / "tls.cert"
    certificate.write_text(ssl.DER_cert_to_PEM_cert(b"any certificate"))
    (tmp_path / "lnd.macaroon").write_bytes(b"macaroon")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    settings = Settings.model_validate(
        {
            "daemon": {"data": tmp_path / "data"},
            "node": {"kind": "lnd"},
            "lnd": {"url": "https://127.0.0.1:1", "tls_cert": str(certificate)},
        }
    )
    (tmp_path / "data").mkdir()
    async with AsyncExitStack() as stack:
        node = await open_node(settings, stack, lambda: 0.0)
        assert await node.facts() is None
    assert (tmp_path / "data" / "preimage.key").stat().st_mode & 0o777 == 0o600
