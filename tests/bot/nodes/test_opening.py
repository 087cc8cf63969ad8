"""Which node may be opened, and with which database."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from bot.config import BadConfig, NodeSettings, Settings, policy_from
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
        patch.setattr(reads, "watched_holds", lambda tx: [held])
        start(FACTS)
        with pytest.raises(OtherNode, match="has holds on the node 02ab"):
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


async def test_a_node_that_is_not_built_is_refused_by_its_name() -> None:
    settings = Settings(node=NodeSettings(kind="lnd"))
    async with AsyncExitStack() as stack:
        with pytest.raises(BadConfig, match=r"node\.kind = lnd: planned"):
            await open_node(settings, stack, lambda: 0.0)
