"""Channels, views and news: pure, and checked against what a real node said."""

from __future__ import annotations

from typing import Any

import pytest

from bot.nodes.cln.channels import held_on, room
from bot.nodes.cln.plugin.news import News
from bot.nodes.cln.rpc import NoAnswer
from bot.nodes.cln.views import all_seen, hold_view
from bot.nodes.cln.wire import WAIT_SECONDS, State
from kinds.lightning import HoldStatus
from tests.cln.ledger import recorded

CHANNEL = recorded("channel")
HTLC = CHANNEL["htlcs"][0]
HASH = HTLC["payment_hash"]
PART = {
    "short_channel_id": CHANNEL["short_channel_id"],
    "id": HTLC["id"],
    "amount_msat": HTLC["amount_msat"],
    "cltv_expiry": HTLC["expiry"],
}


def told(state: State, *parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    plain = {"payment_hash": HASH, "state": state.value, "amount_msat": 10_000_000, "expires_at": 5, "refused_msat": 0}
    return {**plain, "bolt11": "lnbcrt1", "parts": list(parts), **more}


def test_room_is_that_of_usable_channels() -> None:
    found = room([CHANNEL, {**CHANNEL, "peer_connected": False}, {**CHANNEL, "state": "ONCHAIN"}])
    assert found.outbound == CHANNEL["spendable_msat"]
    assert found.inbound == CHANNEL["receivable_msat"]
    assert found.free_slots == CHANNEL["max_accepted_htlcs"] - 1


def test_htlcs_are_found_by_the_channels_id_and_by_its_alias() -> None:
    alias, plain = CHANNEL["alias"]["local"], CHANNEL["short_channel_id"]
    assert held_on([CHANNEL], HASH) == {(plain, HTLC["id"]): True, (alias, HTLC["id"]): True}
    assert held_on([{**CHANNEL, "state": "AWAITING_UNILATERAL"}], HASH)[plain, HTLC["id"]] is False
    assert held_on([CHANNEL], "00" * 32) == {}
    outgoing = {**CHANNEL, "htlcs": [{**HTLC, "direction": "out"}]}
    assert held_on([outgoing], HASH) == {}


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (State.OPEN, HoldStatus.OPEN),
        (State.HELD, HoldStatus.HELD),
        (State.WAITING, HoldStatus.UNKNOWN),
        (State.SETTLING, HoldStatus.HELD),
        (State.CANCELLED, HoldStatus.CANCELLED),
        (State.LOST, HoldStatus.CANCELLED),
    ],
)
def test_each_state_is_a_status(state: State, status: HoldStatus) -> None:
    view = hold_view(told(state, PART), [CHANNEL])
    assert (view.status, view.preimage.reveal()) == (status, "")
    assert bool(view.parts) is (state not in (State.CANCELLED, State.LOST))
    assert all(part.on_channel for part in view.parts)


def test_settled_shows_its_preimage_or_is_not_believed() -> None:
    settled = hold_view(told(State.SETTLED, preimage="ab" * 32), [])
    assert (settled.status, settled.preimage.reveal(), settled.parts) == (HoldStatus.SETTLED, "ab" * 32, ())
    assert hold_view(told(State.SETTLED), []).status is HoldStatus.UNKNOWN


def test_a_settle_whose_htlcs_are_gone_but_not_credited_is_unknown() -> None:
    assert hold_view(told(State.SETTLING, PART), [{**CHANNEL, "htlcs": []}]).status is HoldStatus.UNKNOWN


def test_a_part_that_no_channel_shows_is_off_its_channel() -> None:
    empty = [{**CHANNEL, "htlcs": []}]
    view = hold_view(told(State.HELD, PART), empty)
    assert [part.on_channel for part in view.parts] == [False]
    assert not all_seen(view, empty)
    assert all_seen(view, [CHANNEL])


@pytest.mark.parametrize(
    "junk", [{}, told(State.OPEN) | {"state": "new"}, told(State.HELD, {"id": 1}), told(State.OPEN) | {"parts": 5}]
)
def test_what_the_plugin_never_says_is_no_answer(junk: dict[str, Any]) -> None:
    with pytest.raises(NoAnswer):
        hold_view(junk, [])


class Waiting:
    def __init__(self) -> None:
        self.now = 0.0
        self.news = News(lambda: self.now)

    def ask(self, since: int) -> list[dict[str, Any]]:
        said: list[dict[str, Any]] = []
        self.news.wait(since, said.append)
        self.news.serve()
        return said


def test_news_is_told_to_who_waits_for_it() -> None:
    waiting = Waiting()
    said = waiting.ask(0)
    assert said == []
    for changed in ("a", "b", "a"):
        waiting.news.changed(changed)
    waiting.news.serve()
    assert said == [{"next": 3, "changed": ["a", "b"], "missed": False}]
    assert waiting.ask(2) == [{"next": 3, "changed": ["a"], "missed": False}]


def test_no_news_is_told_after_a_while() -> None:
    waiting = Waiting()
    said = waiting.ask(0)
    waiting.now = WAIT_SECONDS
    waiting.news.serve()
    assert said == [{"next": 0, "changed": [], "missed": False}]


def test_who_comes_from_another_life_or_too_late_is_told_so() -> None:
    waiting = Waiting()
    waiting.news.changed("a")
    assert waiting.ask(70)[0]["missed"] is True
    for n in range(2000):
        waiting.news.changed(str(n))
    assert waiting.ask(1)[0]["missed"] is True
