"""Whatever happens, in whatever order: no money comes or goes, and what has ended stays ended."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bot.nodes.simnet import Faults
from bot.nodes.simnet.book import FLIGHT
from kinds.bolt11 import decode
from kinds.lightning import HoldRef, HoldStatus, PaymentStatus, PaySpec
from kinds.units import Msat, PaymentHash, Secret, sats
from tests.bot.nodes.simnet_bench import Clock, done, hold_spec, sim

ENDS = {HoldStatus.SETTLED, HoldStatus.CANCELLED, PaymentStatus.COMPLETE}
WALLETS = ("employer", "worker")
faults = st.builds(
    Faults,
    down=st.booleans(),
    lose_requests=st.integers(0, 2),
    lose_answers=st.integers(0, 2),
    refuse_parts=st.integers(0, 2),
    no_outbound=st.booleans(),
    no_route=st.booleans(),
    payout_delay=st.sampled_from([0, 0, 100, 10**6]),
    payout_stuck=st.booleans(),
    payout_end=st.sampled_from(["complete", "fail"]),
)


class Money(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "simnet.db"
        self.clock = Clock()
        self.node = sim(self.clock, self.path)
        self.holds: list[HoldRef] = []
        self.invoices: list[str] = []
        self.ended: dict[tuple[str, PaymentHash], object] = {}

    def teardown(self) -> None:
        self.node.network.close()
        self.folder.cleanup()

    @rule(amount=st.integers(1, 10**9), expiry=st.integers(1, 5000), cltv=st.integers(18, 200), paid=st.booleans())
    def make(self, amount: int, expiry: int, cltv: int, paid: bool) -> None:
        ref = f"task/h{len(self.holds)}"
        view = done(self.node.make_hold(hold_spec(ref, Msat(amount), expiry, cltv)))
        self.holds.append(HoldRef(ref, view.payment_hash))
        if view.invoice.reveal():
            self.invoices.append(view.invoice.reveal())
            if paid:
                self.node.wallet("employer").pay(view.invoice.reveal())

    @rule(wallet=st.sampled_from(WALLETS), amount=st.integers(1, 10**9), expiry=st.integers(1, 5000))
    def bill(self, wallet: str, amount: int, expiry: int) -> None:
        self.invoices.append(self.node.wallet(wallet).invoice(Msat(amount), expiry, 40))

    @precondition(lambda self: self.invoices)
    @rule(data=st.data(), wallet=st.sampled_from(WALLETS), parts=st.integers(1, 4), off=st.integers(-1, 1))
    def people_pay(self, data: st.DataObject, wallet: str, parts: int, off: int) -> None:
        invoice = data.draw(st.sampled_from(self.invoices))
        asked = decode(invoice).amount
        assert asked is not None
        if asked + off >= parts:
            self.node.wallet(wallet).pay(invoice, parts, Msat(asked + off))

    @precondition(lambda self: self.invoices)
    @rule(data=st.data(), size=st.integers(1, 10**6))
    def people_pay_a_part(self, data: st.DataObject, size: int) -> None:
        self.node.wallet("employer").pay(data.draw(st.sampled_from(self.invoices)), [Msat(size)])

    @precondition(lambda self: self.invoices)
    @rule(data=st.data(), limit=st.integers(50, 300))
    def node_pays(self, data: st.DataObject, limit: int) -> None:
        invoice = data.draw(st.sampled_from(self.invoices))
        read = decode(invoice)
        assert read.amount is not None
        done(self.node.pay(PaySpec("p", read.payment_hash, Secret(invoice), read.amount, sats(10**6), limit, 30)))

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), end=st.sampled_from(["settle", "cancel"]))
    def end(self, data: st.DataObject, end: str) -> None:
        done(getattr(self.node, end)(data.draw(st.sampled_from(self.holds))))

    @precondition(lambda self: self.invoices)
    @rule(data=st.data(), what=st.sampled_from(["force_close", "lose_hold", "release"]))
    def trouble(self, data: st.DataObject, what: str) -> None:
        try:
            getattr(self.node.network, what)(decode(data.draw(st.sampled_from(self.invoices))).payment_hash)
        except ValueError:
            return

    @rule(seconds=st.sampled_from([1, 59, 60, 600, 3600, 86_400]))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule(blocks=st.integers(0, 150))
    def mine(self, blocks: int) -> None:
        self.node.network.mine(blocks)

    @rule(faults=faults)
    def fail(self, faults: Faults) -> None:
        self.node.network.faults = faults

    @rule()
    def recover(self) -> None:
        self.node.network.faults = Faults()

    @rule(killed=st.booleans())
    def restart(self, killed: bool) -> None:
        if killed:
            self.node.network.close()
            self.node = sim(self.clock, self.path, self.node.network.key)
        else:
            self.node.network.restart()

    @invariant()
    def no_money_comes_or_goes(self) -> None:
        figures, book = self.node.network.figures(), self.node.network.book
        assert figures.total == figures.minted
        assert book.balance(FLIGHT) == book.live_parts()[1] >= figures.held

    @invariant()
    def what_has_ended_stays_ended(self) -> None:
        for hold in self.holds:
            view = done(self.node.hold(hold))
            self._stays("hold", hold.payment_hash, view.status)
            if view.status is HoldStatus.HELD:
                assert view.received >= view.amount > 0
            if view.status in ENDS:
                assert view.parts == ()
        for invoice in self.invoices:
            payment_hash = decode(invoice).payment_hash
            self._stays("payout", payment_hash, done(self.node.payment(payment_hash)).status)

    def _stays(self, kind: str, payment_hash: PaymentHash, status: HoldStatus | PaymentStatus) -> None:
        before = self.ended.get((kind, payment_hash))
        assert before is None or status in (before, HoldStatus.UNKNOWN, PaymentStatus.UNKNOWN)
        if status in ENDS:
            self.ended[kind, payment_hash] = status


TestMoney = Money.TestCase
TestMoney.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
