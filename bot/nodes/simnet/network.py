"""The simulated Lightning network: who owes what to whom, and what happens by itself as time goes by.

It behaves as LND was measured to (field notes, section 4): a set of parts is accepted when it is complete, times out
when it is not, and is cancelled 18 blocks before its first HTLC expires. Nothing runs in the background: whoever
looks first brings the network up to the clock, in one transaction. Amounts are msat, times unix seconds, heights and
deltas blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bot.nodes.hints import Hints
from bot.nodes.preimages import KEY_BYTES, read_or_make_keys
from bot.nodes.simnet import ends, keys, rules
from bot.nodes.simnet.book import FLIGHT, NODE, ROUTERS, Book, Htlc, Invoice, Payment
from bot.nodes.simnet.chain import Chain
from bot.nodes.simnet.faults import Faults, dump_faults, load_faults
from bot.nodes.simnet.rules import Figures, Params
from kinds import bolt11
from kinds.lightning import HoldStatus, PaymentStatus
from kinds.units import Msat, PaymentHash


class Network:
    def __init__(
        self,
        clock: Callable[[], float],
        entropy: Callable[[int], bytes],
        path: Path | None,
        key: bytes | None,
        params: Params,
    ) -> None:
        self._clock, self.entropy, self.params = clock, entropy, params
        self.key = key or (
            entropy(KEY_BYTES) if path is None else read_or_make_keys(path.with_suffix(".key"), entropy)[0]
        )
        self.book = Book(path)
        self.hints = Hints(self.look)
        self._touched: dict[PaymentHash, None] = {}
        pubkey = bolt11.public_key(self.signing_key(NODE))
        if self.book.balance(NODE) is None:
            with self.book.transaction():
                self.book.put_fact("origin", str(self.now()))
                self.book.open_account(NODE, pubkey, params.node_balance)
                self.book.open_account(FLIGHT, None, Msat(0))
                self.book.open_account(ROUTERS, None, Msat(0))
        if self.book.account_of(pubkey) != NODE:
            raise ValueError("the simulated network's state was made with another key")
        self._chain = Chain(int(self.book.fact("origin") or 0), params.block_seconds, int(self.book.fact("mined") or 0))
        self._top = 0
        self._faults = load_faults(self.book.fact("faults") or "{}")

    def close(self) -> None:
        self.hints.close()
        self.book.close()

    # Time

    def now(self) -> int:
        return int(self._clock())

    @property
    def height(self) -> int:
        """Never falls, not even when the clock is set back."""
        self._top = max(self._top, self._chain.height(self.now()))
        return self._top

    def mine(self, blocks: int) -> None:
        if blocks < 0:
            raise ValueError("blocks are not taken back here")
        with self.change():
            self.book.put_fact("mined", str(self._chain.mined + blocks))
        self._chain = replace(self._chain, mined=self._chain.mined + blocks)
        self.advance()

    def look(self) -> float:
        """Bring everything up to the clock; the seconds until something more happens by itself, at most one block's."""
        self.advance()
        time, height = self.book.next_due()
        due = min(math.inf if time is None else time, math.inf if height is None else self._chain.time_of(height))
        return min(max(due - self._clock(), 0.05), 600.0)

    def advance(self) -> None:
        while self.book.is_due(self.now(), self.height):
            due = self.book.due_invoices(self.now(), self.height)
            with self._change():
                for invoice in due:
                    self._fall_due(invoice)

    @contextmanager
    def change(self) -> Iterator[None]:
        """One step of the network: first what is due, then the caller's, and its hints when it is durable."""
        self.advance()
        with self._change():
            yield

    @contextmanager
    def _change(self) -> Iterator[None]:
        self._touched.clear()
        with self.book.transaction():
            yield
        if not self._faults.deaf:
            self.hints.say(self._touched)

    # Faults

    @property
    def faults(self) -> Faults:
        return self._faults

    @faults.setter
    def faults(self, now: Faults) -> None:
        self.book.put_fact("faults", dump_faults(now))
        self._faults = now

    def force_close(self, payment_hash: PaymentHash) -> None:
        """The channels under these HTLCs close, and the node's invoice does not notice: what it settles is lost."""
        with self.change():
            self.book.take_off_channel(payment_hash)
            self._touched[payment_hash] = None

    def lose_hold(self, payment_hash: PaymentHash) -> None:
        """The node cancels an accepted hold by itself."""
        self._end_held(payment_hash, at_node=True, complete=False)

    def release(self, payment_hash: PaymentHash, *, complete: bool = True) -> None:
        """A payee ends a payout that it holds."""
        self._end_held(payment_hash, at_node=False, complete=complete)

    def restart(self) -> None:
        """The node starts anew: hint streams end, HTLCs are replayed, the timeout of incomplete sets begins again."""
        with self.change():
            for invoice in self.book.replay_parts(self.now()):
                self.book.put_invoice(self._await_rest(invoice))
        self.hints.close()

    # Invoices

    def signing_key(self, account: str) -> bytes:
        return keys.signing_key(self.key, account)

    def add_invoice(self, invoice: Invoice) -> None:
        with self.change():
            self.book.put_invoice(invoice)

    def settle(self, payment_hash: PaymentHash, preimage: str) -> None:
        """Settle what is held at the node under this hash; nothing happens when nothing is."""
        with self.change():
            invoice = self.book.invoice(payment_hash)
            if invoice is not None and invoice.payee == NODE and invoice.status is HoldStatus.HELD:
                self._touched[payment_hash] = None
                ends.settle(self.book, invoice, preimage)

    def cancel(self, payment_hash: PaymentHash) -> None:
        """Cancel the node's invoice of this hash and give back what is held; nothing happens when it has ended."""
        with self.change():
            invoice = self.book.invoice(payment_hash)
            if invoice is not None and invoice.payee == NODE and invoice.status in (HoldStatus.OPEN, HoldStatus.HELD):
                self._touched[payment_hash] = None
                ends.give_back(self.book, invoice, "refused", HoldStatus.CANCELLED)

    # Payments

    def send(self, payer: str, invoice: bolt11.Bolt11, sizes: Sequence[Msat], total: Msat, fee: Msat) -> None:
        """Send parts of these sizes towards the invoice, for a set of `total`; the payer's payment says what came of
        it.

        The routing fee goes with the first part. sqlite3.IntegrityError when the payer has less than all of it.
        """
        with self.change():
            row, reason = self._door(payer, invoice, total)
            if row is not None:
                arrived = [
                    self._carry(payer, row, size, total, Msat(0) if place else fee) for place, size in enumerate(sizes)
                ]
                row, reason = (row, "") if any(arrived) else (None, "part_refused")
            own = [part for part in self.book.parts(invoice.payment_hash) if part.payer == payer]
            amount, fees = Msat(sum(part.amount for part in own)), Msat(sum(part.fee for part in own))
            if row is not None:
                self.book.put_payment(Payment(payer, row.hash, PaymentStatus.IN_FLIGHT, amount, fees))
                self._arrived(row, by_node=payer == NODE)
            elif not own:
                self._touched[invoice.payment_hash] = None
                ends.fail_payment(self.book, payer, invoice.payment_hash, total, reason)

    def _door(self, payer: str, invoice: bolt11.Bolt11, total: Msat) -> tuple[Invoice | None, str]:
        """The open invoice at the payee who takes parts of this set, or None and why there is none."""
        row = self.book.invoice(invoice.payment_hash)
        if row is None or self.book.account_of(invoice.payee) != row.payee or (row.payee == NODE and self._faults.down):
            return None, "no_route"
        if row.status is not HoldStatus.OPEN or row.payee == payer:
            return None, "refused"
        if total < row.amount:
            self.book.put_invoice(replace(row, refused=total))
            self._touched[row.hash] = None
            return None, "refused"
        parts = self.book.parts(row.hash)
        return (None, "refused") if parts and parts[0].total != total else (row, "")

    def _carry(self, payer: str, row: Invoice, size: Msat, total: Msat, fee: Msat) -> bool:
        """Bring one part to its payee; False when the node's own channels do not let it in."""
        if row.payee == NODE and self._faults.refuse_parts:
            self.faults = replace(self._faults, refuse_parts=self._faults.refuse_parts - 1)
            return False
        if row.payee == NODE and (size > self.inbound() or not self.free_slots()):
            return False
        expiry = self.height + row.cltv + rules.PADDING + (rules.HOP_DELTA if payer == NODE else 0)
        self.book.add_part(Htlc(0, row.hash, payer, total, size, fee, expiry, self.now(), on_channel=True))
        self.book.move(size + fee, payer, FLIGHT)
        return True

    def _arrived(self, row: Invoice, *, by_node: bool) -> None:
        parts = self.book.parts(row.hash)
        if sum(part.amount for part in parts) < parts[0].total:
            self.book.put_invoice(self._await_rest(row))
            return
        self._touched[row.hash] = None
        expiry = min(part.expiry for part in parts)
        held = replace(row, status=HoldStatus.HELD, due_time=None)
        if row.payee == NODE:
            self.book.put_invoice(replace(held, due_height=expiry - rules.OWN_DEADLINE))
        elif by_node and (self._faults.payout_stuck or self._faults.payout_delay):
            due = None if self._faults.payout_stuck else self.now() + self._faults.payout_delay
            self.book.put_invoice(replace(held, due_time=due, due_height=expiry, end=self._faults.payout_end))
        else:
            self._end_payout(row, self._faults.payout_end if by_node else "complete")

    def _await_rest(self, invoice: Invoice) -> Invoice:
        first = min(part.arrived_at for part in self.book.parts(invoice.hash))
        return replace(invoice, due_time=min(invoice.expires_at, first + rules.SET_TIMEOUT))

    def _fall_due(self, invoice: Invoice) -> None:
        self._touched[invoice.hash] = None
        if invoice.status is HoldStatus.OPEN and self.now() < invoice.expires_at:
            ends.give_back(self.book, invoice, "timeout", HoldStatus.OPEN)
        elif invoice.status is HoldStatus.OPEN or invoice.payee == NODE:
            ends.give_back(self.book, invoice, "refused", HoldStatus.CANCELLED)
        else:
            lost_at = self._chain.time_of(invoice.due_height or 0)
            in_time = invoice.due_time is not None and invoice.due_time <= min(self.now(), lost_at)
            self._end_payout(invoice, invoice.end if in_time else "timeout")

    def _end_held(self, payment_hash: PaymentHash, *, at_node: bool, complete: bool) -> None:
        with self.change():
            invoice = self.book.invoice(payment_hash)
            if invoice is None or invoice.status is not HoldStatus.HELD or (invoice.payee == NODE) is not at_node:
                raise ValueError("nothing is held under this hash")
            self._touched[payment_hash] = None
            if at_node:
                ends.give_back(self.book, invoice, "refused", HoldStatus.CANCELLED)
            else:
                self._end_payout(invoice, "complete" if complete else "fail")

    def _end_payout(self, invoice: Invoice, end: str) -> None:
        """As its payee (or the clock) ends it; after a failure the same invoice may be paid again."""
        if end == "complete":
            ends.settle(self.book, invoice, invoice.preimage)
        else:
            ends.give_back(self.book, invoice, "refused" if end == "fail" else end, HoldStatus.OPEN)

    # Figures

    def inbound(self) -> Msat:
        used = (self.book.balance(NODE) or 0) + (self.book.balance(FLIGHT) or 0)
        return Msat(max(0, self.params.capacity - used))

    def free_slots(self) -> int:
        return max(0, self.params.channels * self.params.slots - self.book.live_parts()[0])

    def figures(self) -> Figures:
        self.advance()
        balances = self.book.balances()
        wallets = {name: balance for name, balance in balances.items() if not name.startswith("@")}
        total = Msat(sum(balances.values()))
        return Figures(
            node=balances[NODE],
            wallets=wallets,
            in_flight=balances[FLIGHT],
            held=self.book.held(),
            routers=balances[ROUTERS],
            total=total,
            minted=self.book.minted(),
        )
