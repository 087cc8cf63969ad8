"""A node and a money worker as plain values, for lives that chance writes: what is really held and paid, beside what the task
believes. They follow the same order as the real ones: look, ask for leave, call, look again; and they may be late or silent."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from handlers import safety
from handlers.decision import CancelHold, Effect, Fetch, MakeHold, Pay, Refusal, SettleHold
from handlers.task import Payout
from kinds.inputs import Check, Fetched, HoldMade, HoldSeen, PaymentSeen, PayWanted
from kinds.lightning import Fault, HoldStatus, HoldView, Part, PaymentStatus, PaymentView
from kinds.states import Role
from kinds.units import Msat, PaymentHash, Secret
from tests.handlers.life import NODE_KEY, Life, hash_of, invoice, preimage_of

H, PS = HoldStatus, PaymentStatus
UNDER_WAY = (PS.IN_FLIGHT, PS.COMPLETE)
MOODS = ("complete", "in_flight", "ours", "theirs", "unanswered", "unsent")


@dataclass
class Order:
    effect: Effect
    started: bool = False


@dataclass
class Sent:
    """A payment at the node."""

    payout: str
    view: PaymentView
    ends: int  # the height at which its last HTLC has ended


@dataclass
class Town:
    life: Life
    lying: bool = False
    holds: dict[str, HoldView] = field(default_factory=dict)
    sent: dict[PaymentHash, Sent] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    words: list[HoldSeen | PaymentSeen] = field(default_factory=list)  # all that was ever reported
    accident: bool = False  # a hold went that should not have gone
    taken: int = 0  # effects of the life that are orders here

    # ------------------------------------------------------------------ the money worker

    def collect(self) -> None:
        fresh = self.life.effects[self.taken :]
        self.taken += len(fresh)
        self.orders += [Order(effect) for effect in fresh]

    def work(self, which: int, mood: str) -> None:
        self.collect()
        if not self.orders:
            return
        order = self.orders[which % len(self.orders)]
        match order.effect:
            case MakeHold() as wish:
                done = self._make(wish, mood)
            case SettleHold(ref=ref):
                done = self._settle(ref, mood)
            case CancelHold(ref=ref):
                done = self._cancel(ref, mood)
            case Pay() as pay:
                done = self._pay(order, pay, mood)
            case Fetch(ref=ref):
                check = {"ours": Check.UNCHECKED, "theirs": Check.MISMATCHED}.get(mood, Check.MATCHED)
                self.life.did(Fetched(ref, check))
                done = mood != "unanswered"  # the same word twice
        if done:
            self.orders.remove(order)

    def _make(self, wish: MakeHold, mood: str) -> bool:
        if mood == "unanswered":
            return False
        made = hash_of(preimage_of(wish.ref))
        view = HoldView(made, H.ABSENT, wish.amount)
        if mood != "ours":
            until = self.life.time + wish.expiry
            text = invoice(wish.ref, wish.amount, self.life.time, expiry=wish.expiry, key=NODE_KEY)
            view = HoldView(made, H.OPEN, wish.amount, (), Secret(text), until)
            view = self.holds.setdefault(wish.ref, view)
        self.life.did(HoldMade(wish.ref, view, wish.expiry))
        return True

    def _settle(self, ref: str, mood: str) -> bool:
        task, view = self.life.task, self.holds[ref]
        funding = task.funding(ref)
        assert funding
        if mood == "unanswered":
            return False
        if view.status is H.HELD:
            if safety.may_settle(task, funding, view, self.life.facts()):
                return False
            complete = any(one.view.status is PS.COMPLETE for one in self.shares())
            at_margin = self.life.height >= min(f.expiry_height for f in task.backing) - task.terms.margin
            assert self.lying or complete or at_margin, "a hold is settled that should not be"
            self.holds[ref] = replace(view, status=H.SETTLED, parts=(), preimage=Secret(preimage_of(ref)))
            if mood == "unsent":
                return False
        self.report_hold(ref)
        return self.holds[ref].status in (H.SETTLED, H.CANCELLED)

    def _cancel(self, ref: str, mood: str) -> bool:
        task, view = self.life.task, self.holds[ref]
        funding = task.funding(ref)
        assert funding
        if mood == "unanswered":
            return False
        if view.status in (H.HELD, H.OPEN):
            if safety.may_cancel(task, funding):
                return False
            under_way = [one for one in self.shares() if one.view.status in UNDER_WAY]
            assert self.lying or funding.goal == "stray" or not under_way, "cancelled under a payout"
            self.holds[ref] = replace(view, status=H.CANCELLED, parts=())
            if mood == "unsent":
                return False
        self.report_hold(ref)
        return True

    def _pay(self, order: Order, wish: Pay, mood: str) -> bool:
        life, known = self.life, self.sent.get(wish.payment_hash)
        if mood == "unanswered":
            return False
        if known and known.view.status is PS.IN_FLIGHT:
            self.report_payment(wish.ref, known.view)
            return False
        if known and (known.view.status is PS.COMPLETE or order.started):
            self.report_payment(wish.ref, known.view)
            return True
        if order.started:
            self.report_payment(wish.ref, PaymentView(wish.payment_hash, PS.ABSENT))
            return True
        payout = life.task.payout(wish.ref)
        assert payout
        view = safety.together([self.holds[hold.ref] for hold in life.task.holds])
        spec = safety.may_pay(life.task, payout, view, life.facts(), 60)
        if isinstance(spec, safety.NotNow):
            self.report_payment(wish.ref, PaymentView(wish.payment_hash, PS.FAILED, reason=spec.reason))
            return True
        if isinstance(life.hear(PayWanted(wish.ref)), Refusal):
            self.report_payment(wish.ref, PaymentView(wish.payment_hash, PS.ABSENT))
            return True
        order.started = True
        if mood == "unsent":
            return False
        return self._send(wish, payout, life.height + spec.cltv_limit, mood)

    def _send(self, wish: Pay, payout: Payout, ends: int, mood: str) -> bool:
        view = PaymentView(wish.payment_hash, PS.IN_FLIGHT, payout.amount)
        self.sent[wish.payment_hash] = Sent(payout.ref, view, ends)
        assert self.lying or len([s for s in self.shares() if s.view.status in UNDER_WAY]) == 1
        if mood == "in_flight":
            self.report_payment(wish.ref, view)
            return False
        late = payout.expires_at <= self.life.time
        self.resolve(wish.payment_hash, "theirs" if late else mood)
        self.report_payment(wish.ref, self.sent[wish.payment_hash].view)
        return True

    # ------------------------------------------------------------------ the node and the world

    def shares(self) -> list[Sent]:
        """Payments of the worker's share that left the node."""
        refs = {p.ref for p in self.life.task.payouts if p.role is Role.WORKER}
        return [one for one in self.sent.values() if one.payout in refs]

    def resolve(self, payment_hash: PaymentHash, mood: str) -> None:
        one = self.sent[payment_hash]
        if one.view.status is not PS.IN_FLIGHT:
            return
        payout = self.life.task.payout(one.payout)
        assert payout
        if mood in ("complete", "in_flight"):
            fee = Msat(payout.budget // 2)
            one.view = replace(one.view, status=PS.COMPLETE, fee=fee, preimage=Secret("f" * 64))
        else:
            fault = Fault.THEIRS if mood == "theirs" else Fault.OURS
            one.view = replace(one.view, status=PS.FAILED, fault=fault, reason=mood)

    def paid_by_employer(self, ref: str, amounts: tuple[Msat, ...]) -> None:
        """Whoever has an open invoice pays it; the node holds what came."""
        view = self.holds[ref]
        if view.status is H.OPEN and self.life.time < view.expires_at:
            expiry = self.life.height + self.life.policy.hold_cltv
            parts = tuple(Part("1x1x1", n, amount, expiry + n, True) for n, amount in enumerate(amounts))
            self.holds[ref] = replace(view, status=H.HELD, parts=parts)

    def age(self) -> None:
        """What the node does by itself as time and height go on."""
        for ref, view in self.holds.items():
            if view.status is H.OPEN and self.life.time >= view.expires_at:
                self.holds[ref] = replace(view, status=H.CANCELLED)
            if view.status is H.HELD and self.life.height >= view.expiry_height - 18:
                self.lose(ref)
        for payment_hash, one in self.sent.items():
            if one.view.status is PS.IN_FLIGHT and self.life.height >= one.ends:
                self.resolve(payment_hash, "complete" if int(payment_hash, 16) % 2 else "theirs")

    def lose(self, ref: str) -> None:
        self.holds[ref] = replace(self.holds[ref], status=H.CANCELLED, parts=())
        self.accident = True

    def report_hold(self, ref: str) -> None:
        self._tell(HoldSeen(ref, self.holds[ref]))

    def report_payment(self, ref: str, view: PaymentView) -> None:
        self._tell(PaymentSeen(ref, view))

    def _tell(self, word: HoldSeen | PaymentSeen) -> None:
        self.words.append(word)
        self.life.did(word)

    # ------------------------------------------------------------------ the end

    def go_on_fairly(self) -> None:
        """From now on the node answers, letters arrive and time passes: every task comes to its end, and at rest."""
        life = self.life
        for _ in range(600):
            self.settle_down()
            if life.task.state is not None and life.task.state.is_final and not self.orders:
                return
            life.wait(4 * 3600)
            self.age()
        raise AssertionError(f"no end: {life.stands}, {len(self.orders)} orders")

    def settle_down(self) -> None:
        """Until nothing is left to do at this moment."""
        life = self.life
        for _ in range(60):
            before, open_before = life.task, len(self.orders)
            life.ticks()
            life.reach()
            self.collect()
            for order in [*self.orders]:
                if order in self.orders:
                    self.work(self.orders.index(order), "complete")
            for payment_hash in self.sent:
                self.resolve(payment_hash, "complete" if int(payment_hash, 16) % 2 else "theirs")
            for ref, view in self.holds.items():
                if view.status is not H.OPEN:
                    self.report_hold(ref)
            self.collect()
            if life.task == before and len(self.orders) == open_before:
                return
        raise AssertionError("it never comes to rest")

    def balance(self) -> tuple[int, int]:
        """(what the node has more than before, what the task says that it should have more: accounts have it, or the house)."""
        came = sum(view.amount for view in self.holds.values() if view.status is H.SETTLED)
        went = sum(one.view.amount + one.view.fee for one in self.sent.values() if one.view.status is PS.COMPLETE)
        task = self.life.task
        given = sum(entry.amount for entry in task.credits)
        return came - went, given + task.fee + task.insurance
