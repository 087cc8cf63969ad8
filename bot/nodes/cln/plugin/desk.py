"""The calls of the daemon, one function each: parameters in, JSON out. Called by the one thread that owns the keeper."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.nodes.cln.plugin import invoices
from bot.nodes.cln.plugin.keeper import Keeper, Sight
from bot.nodes.cln.plugin.lightningd import Lightningd
from bot.nodes.cln.plugin.records import Record
from bot.nodes.cln.wire import API, NO_SUCH_HOLD, Installed, State


class NoSuchHold(LookupError):
    code = NO_SUCH_HOLD

    def __init__(self) -> None:
        super().__init__("this node has no such hold")


@dataclass(slots=True)
class Desk:
    keeper: Keeper
    lightningd: Lightningd
    clock: Callable[[], float]
    version: str
    installed: Installed = Installed.UNKNOWN
    block: str = ""  # hash of the newest block, once one was seen
    payments: int = 0  # lightningd's index of the newest outgoing part when it started

    def create(self, ref: str, amount_msat: int, expiry: int, cltv: int, memo: str = "") -> dict[str, Any]:
        """The hold of this ref; the same one again, whatever became of it, when there is one. Raises Refusal, Trouble."""
        invoices.check(ref, amount_msat, expiry, cltv)
        preimage = self.lightningd.secret(ref)
        payment_hash = hashlib.sha256(preimage).hexdigest()
        if self.keeper.find(payment_hash) is None:
            stored = self.lightningd.find(payment_hash)
            if stored is not None:
                self.keeper.adopt(stored)
            elif self.lightningd.is_spent(payment_hash):
                raise invoices.Refusal("ref: its hold was settled long ago")
            else:
                now = int(self.clock())
                self.keeper.add(invoices.make(self.lightningd, ref, preimage, amount_msat, expiry, cltv, memo, now))
        return self.lookup(payment_hash)

    def lookup(self, payment_hash: str) -> dict[str, Any]:
        """Raises NoSuchHold, and Trouble when the preimage of a settled hold cannot be told."""
        return self._told(self._sight(payment_hash))

    def settle(self, payment_hash: str) -> dict[str, Any]:
        """Raises NoSuchHold, Trouble."""
        self._sight(payment_hash)
        self.keeper.settle(payment_hash)
        return self.lookup(payment_hash)

    def cancel(self, payment_hash: str) -> dict[str, Any]:
        """Raises NoSuchHold, Trouble."""
        self._sight(payment_hash)
        self.keeper.cancel(payment_hash)
        return self.lookup(payment_hash)

    def listed(self, state: str = "") -> dict[str, Any]:
        """All holds, or those in one state; without invoices and preimages."""
        found = (self._sight(record.payment_hash) for record in self.keeper.all())
        return {"holds": [_facts(sight) for sight in found if not state or sight.state == state]}

    def health(self) -> dict[str, Any]:
        states = [record.state for record in self.keeper.all()]
        return {
            "version": self.version,
            "api": API,
            "installed": self.installed.value,
            "blockheight": self.keeper.height,
            "blockhash": self.block,
            "payments_before": 0 if self.keeper.in_grace() else self.payments,
            "holds": {state.value: states.count(state) for state in State if state is not State.WAITING},
        }

    def _sight(self, payment_hash: str) -> Sight:
        sight = self.keeper.sight(payment_hash)
        if sight is None:
            raise NoSuchHold
        return sight

    def _told(self, sight: Sight) -> dict[str, Any]:
        told = {**_facts(sight), "bolt11": sight.record.invoice}
        if sight.state is State.SETTLED:
            told["preimage"] = self.lightningd.secret(sight.record.ref).hex()
        return told


def _facts(sight: Sight) -> dict[str, Any]:
    record: Record = sight.record
    return {
        "ref": record.ref,
        "payment_hash": record.payment_hash,
        "state": sight.state.value,
        "amount_msat": record.amount,
        "expires_at": record.expires_at,
        "refused_msat": sight.refused,
        "reason": record.reason,
        "parts": [
            {
                "short_channel_id": part.channel,
                "id": part.htlc,
                "amount_msat": part.amount,
                "cltv_expiry": part.expiry,
            }
            for part in sight.parts
        ],
    }
