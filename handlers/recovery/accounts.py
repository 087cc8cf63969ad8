"""What the daemon's own chain tells of a person's account: a payment out of it that a lost memory made. Pure.

What that memory had sent and not yet published, the chain cannot tell: an account with money in it is `unsure` afterwards, and pays nobody
until the operator has looked at his node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from handlers.account import Account, Withdrawal
from kinds.states import PayoutState
from kinds.units import Msat, PaymentHash, Secret


def paid(account: Account, facts: Mapping[str, Any], time: int) -> Account:
    """The account after an `account.paid`: one of its withdrawals that are under way, or one that nobody here knows. `time`: unix seconds.
    Raises KeyError, TypeError or ValueError for facts that are none."""
    payment_hash, amount, fee = PaymentHash(facts["payment_hash"]), Msat(facts["amount_msat"]), Msat(facts["fee_msat"])
    done: dict[str, Any] = {
        "state": PayoutState.COMPLETE, "fee": fee, "preimage": Secret(facts["preimage"]), "ordered": False, "next_try": 0,
    }  # fmt: skip
    known = next((each for each in account.open if each.payment_hash == payment_hash), None)
    if known is not None:
        changed = tuple(replace(each, **done) if each is known else each for each in account.withdrawals)
        return replace(account, withdrawals=changed, available=Msat(account.available + known.budget - fee))
    counter = account.counter + 1
    new = Withdrawal(
        ref=f"{account.owner}/w{counter}", amount=amount, budget=fee, invoice=Secret(""), payment_hash=payment_hash,
        expires_at=time, final_cltv=0, cltv_limit=0, asked=time,
    )  # fmt: skip
    return replace(
        account, withdrawals=(*account.withdrawals, replace(new, **done)), counter=counter,
        available=Msat(account.available - amount - fee),
    )  # fmt: skip
