"""Who has arrived and who is kept. One thread calls it, so that settling and cancelling never race each other.

The rule on the way of money: what is decided is saved in lightningd's datastore BEFORE anybody is answered by it, so that a
replayed HTLC gets the same answer in the next life. If the process dies
- before a save: nothing was decided; HTLCs are replayed and judged again;
- between a save and its answers: they are replayed, and the record answers them;
- with an incomplete set: it is collected anew, for a minute.
What cannot be saved is not done: a payment that just became complete goes back, a settle or cancel changes nothing.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from bot.nodes.cln.plugin import verdict
from bot.nodes.cln.plugin.records import LIVE, Key, Part, Record
from bot.nodes.cln.plugin.verdict import CANCEL_BLOCKS, MPP_SECONDS, Htlc
from bot.nodes.cln.wire import State

GRACE = 60
"""Seconds after the start in which lightningd may still hand over what was held before; it takes about 20 ms."""
PACE = 0.2
"""Seconds between two sweeps; a new block does not wait for it."""
LOOK = 15
"""Seconds between two looks at lightningd's books for a hold whose end was not seen."""
CLEARED = 50
"""So many holds of long ago are forgotten at a block: nobody waits for an answer meanwhile."""
log = logging.getLogger("holdfast")


class Trouble(Exception):
    """lightningd did not do what was asked of it. Nothing may be concluded from that."""


class Lightning(Protocol):
    """What the keeper asks of lightningd. Each call raises Trouble when it is not answered, or not as expected."""

    def save(self, record: Record) -> None: ...

    def secret(self, ref: str) -> bytes:
        """32 bytes that only this node can derive from the ref: the preimage."""

    def moves(self) -> int:
        """The index of the newest move of money on a channel."""

    def on_channels(self, payment_hash: str, leaving: bool) -> bool:
        """Is an incoming HTLC of this hash on any channel? Those that are fulfilled or failed already, and only wait for the
        peer or the chain, count when `leaving`."""

    def hashes(self) -> set[str]:
        """Of all incoming HTLCs on any channel, those that only wait for the peer or the chain among them."""

    def credited(self, payment_hash: str, since: int) -> int:
        """Msat that came in by this hash, on channels after that index, and on the chain."""

    def forget(self, record: Record) -> None:
        """Leave nothing of it, or, if it is spent, only that."""


class Answer(Protocol):
    """lightningd's question about one HTLC, to be answered once."""

    def pass_on(self) -> None:
        """None of ours: lightningd goes on as if we were not there."""

    def fail(self, failure: str) -> None: ...

    def resolve(self, preimage: bytes) -> None: ...


@dataclass(slots=True)
class _Kept:
    htlc: Htlc
    answers: list[Answer]
    since: float
    height: int  # when it arrived: a failure that names a later height makes the payer try again


@dataclass(frozen=True, slots=True)
class Sight:
    """A hold as it is now. `parts` are those in our hands, or those that a settle has not moved yet."""

    record: Record
    state: State
    parts: tuple[Part, ...] = ()
    refused: int = 0  # the last payment of a wrong amount


@dataclass(slots=True)
class Keeper:
    lightning: Lightning
    clock: Callable[[], float]
    touched: Callable[[str], None]  # something about this hash may have changed
    height: int = 0
    _records: dict[str, Record] = field(default_factory=dict)
    _live: set[str] = field(default_factory=set)
    _kept: dict[str, dict[Key, _Kept]] = field(default_factory=dict)
    _refused: dict[str, int] = field(default_factory=dict)
    _credits: dict[str, int] = field(default_factory=dict)
    _looked: dict[str, float] = field(default_factory=dict)
    _started: float = 0.0
    _swept: tuple[float, int] = (0.0, 0)
    _cleared: int = 0  # the height at which holds of long ago were forgotten

    def start(self, records: Iterable[Record], height: int) -> None:
        for record in records:
            self._put(record)
        self.height, self._started = height, self.clock()

    # --- HTLCs ---------------------------------------------------------------------------------------------------

    def arrive(self, htlc: Htlc, answer: Answer) -> None:
        """Answers at once, or keeps it. When it raises, the HTLC is not kept, unless `keeps` says so."""
        record = self._records.get(htlc.payment_hash)
        if record is None:
            answer.pass_on()
            return
        kept = self._kept.get(record.payment_hash, {})
        if htlc.key in kept:  # asked twice in one life: both questions get the same answer
            kept[htlc.key].answers.append(answer)
            return
        if record.state in (State.HELD, State.SETTLING, State.SETTLED) and verdict.is_replay(record, htlc):
            self._keep(htlc, answer)
            if record.state is not State.HELD:
                self._resolve(record)
            return
        refused = verdict.refusal(record, self._htlcs(htlc.payment_hash), htlc, self.height, self.clock())
        if refused is not None:
            self._note_refusal(record, refused)
            answer.fail(refused.failure)
            return
        self._keep(htlc, answer)
        together = self._htlcs(htlc.payment_hash)
        if verdict.is_complete(together):
            self._hold(record, together)

    def keeps(self, htlc: Htlc) -> bool:
        return htlc.key in self._kept.get(htlc.payment_hash, {})

    def _hold(self, record: Record, together: list[Htlc]) -> None:
        parts = tuple(Part(*htlc.key, htlc.amount, htlc.expiry) for htlc in together)
        try:
            self._save(replace(record, state=State.HELD, parts=parts))
        except Trouble as trouble:
            log.error("a payment goes back, since its hold could not be saved: %s", trouble)
            self._fail(record.payment_hash, lambda kept: verdict.TEMPORARY)

    def _note_refusal(self, record: Record, refused: verdict.Refused) -> None:
        log.info("an HTLC of %s is refused: %s", record.ref, refused.why)
        if refused.short:
            self._refused[record.payment_hash] = refused.short
            self.touched(record.payment_hash)

    # --- what the daemon asks ------------------------------------------------------------------------------------

    def find(self, payment_hash: str) -> Record | None:
        return self._records.get(payment_hash)

    def all(self) -> Iterator[Record]:
        yield from self._records.values()

    def add(self, record: Record) -> None:
        """A new hold, saved before anybody can learn of its invoice. Raises Trouble."""
        self._save(record)

    def adopt(self, record: Record) -> None:
        """A hold that was saved although nobody heard of it."""
        self._put(record)

    def settle(self, payment_hash: str) -> None:
        """Take the money, if all of it is here. Once this is saved it is final. Raises Trouble."""
        record = self._records[payment_hash]
        if record.state is State.HELD and self._sight_state(record) is State.HELD:
            self._secret(record)  # no promise that could not be kept
            self._save(replace(record, state=State.SETTLING, moves=self.lightning.moves()))
        self._resolve(self._records[payment_hash])

    def cancel(self, payment_hash: str, reason: str = "asked") -> None:
        """Give the money back, unless it was decided to take it. Raises Trouble."""
        record = self._records[payment_hash]
        if record.state not in (State.OPEN, State.HELD):
            return
        self._save(record.turned(State.CANCELLED, reason))
        self._fail(payment_hash, lambda kept: verdict.unknown_details(kept.htlc.amount, kept.height))

    def sight(self, payment_hash: str) -> Sight | None:
        record = self._records.get(payment_hash)
        if record is None:
            return None
        state = self._sight_state(record)
        here = tuple(Part(*htlc.key, htlc.amount, htlc.expiry) for htlc in self._htlcs(payment_hash))
        parts = record.parts if state is State.SETTLING else here
        return Sight(record, state, parts, self._refused.get(payment_hash, 0))

    def _sight_state(self, record: Record) -> State:
        if record.state is not State.HELD:
            return record.state
        here = self._kept.get(record.payment_hash, {})
        whole = all(part.key in here for part in record.parts)
        return State.HELD if whole or (here and not self.in_grace()) else State.WAITING

    # --- time, blocks and lightningd's books ---------------------------------------------------------------------

    def credit(self, payment_hash: str, amount: int) -> None:
        """lightningd says that it was credited this much by this hash."""
        record = self._records.get(payment_hash)
        if record is None or record.state is not State.SETTLING:
            return
        total = self._credits[payment_hash] = self._credits.get(payment_hash, 0) + amount
        if total >= _worth(record):
            self._save(record.turned(State.SETTLED))

    def sweep(self) -> None:
        """What has become due. Called before everything else, so that no answer is older than the clock by more than PACE."""
        now = self.clock()
        if 0 <= now - self._swept[0] < PACE and self._swept[1] == self.height:
            return
        self._swept = (now, self.height)
        for payment_hash in self._live | self._kept.keys():
            try:
                self._sweep(self._records[payment_hash])
            except Trouble as trouble:
                log.warning("tried again later: %s", trouble)
            except Exception as error:  # a bug with one hold must not keep the others waiting
                log.error("a hold cannot be looked after: %s", type(error).__name__)
        if self.height != self._cleared:
            self._cleared = self.height
            self._clear(now)

    def _clear(self, now: float) -> None:
        past = [r for r in self._records.values() if r.payment_hash not in self._kept and r.is_past(self.height, now)]
        try:
            there = self.lightning.hashes() if past else set()
            for record in past[:CLEARED]:
                if record.payment_hash not in there:
                    self.lightning.forget(record)
                    for table in (self._records, self._refused, self._credits, self._looked):
                        table.pop(record.payment_hash, None)
        except Trouble as trouble:
            log.warning("holds of long ago are forgotten later: %s", trouble)

    def _sweep(self, record: Record) -> None:
        payment_hash, now = record.payment_hash, self.clock()
        kept = self._kept.get(payment_hash)
        match record.state:
            case State.OPEN if kept:
                if now - min(part.since for part in kept.values()) >= MPP_SECONDS:
                    self._fail(payment_hash, lambda part: verdict.MPP_TIMEOUT)
            case State.OPEN if now >= record.expires_at:
                self._save(record.turned(State.CANCELLED, "expired"))
            case State.HELD if self.height >= record.expiry_height - CANCEL_BLOCKS:
                log.warning("the hold %s goes back: its first HTLC expires at %d", record.ref, record.expiry_height)
                self.cancel(payment_hash, "height")
            case State.HELD if not kept and not self.in_grace() and self._may_look(payment_hash):
                if not self.lightning.on_channels(payment_hash, leaving=False):
                    log.error("the hold %s is lost: it is on no channel any more", record.ref)
                    self._save(record.turned(State.LOST, "gone from the channels"))
            case State.SETTLING | State.SETTLED if kept:
                self._resolve(record)
            case State.SETTLING if self._may_look(payment_hash):
                self._confirm(record)

    def _confirm(self, record: Record) -> None:
        """A settle whose credit was not told to us: does lightningd's own book know it? Without a credit the resolve never
        arrived: this process died in between, and lightningd gave the payment back."""
        credited = self.lightning.credited(record.payment_hash, record.moves)
        there = self.lightning.on_channels(record.payment_hash, leaving=True)
        if credited >= _worth(record) or (credited and not there):
            self._save(record.turned(State.SETTLED))
        elif there:
            return
        elif not self.in_grace():
            log.error("the hold %s was to be settled and is lost", record.ref)
            self._save(record.turned(State.LOST, "not credited"))

    def _may_look(self, payment_hash: str) -> bool:
        now = self.clock()
        if now - self._looked.setdefault(payment_hash, now) < LOOK:
            return False
        self._looked[payment_hash] = now
        return True

    def in_grace(self) -> bool:
        return self.clock() - self._started < GRACE

    # --- the hands -----------------------------------------------------------------------------------------------

    def _htlcs(self, payment_hash: str) -> list[Htlc]:
        return [kept.htlc for kept in self._kept.get(payment_hash, {}).values()]

    def _keep(self, htlc: Htlc, answer: Answer) -> None:
        kept = self._kept.setdefault(htlc.payment_hash, {})
        kept[htlc.key] = _Kept(htlc, [answer], self.clock(), self.height)
        self.touched(htlc.payment_hash)

    def _resolve(self, record: Record) -> None:
        """Hands out the preimage for what is here of a hold that is to be settled; it is safe to do so any number of times."""
        kept = self._kept.get(record.payment_hash)
        if record.state not in (State.SETTLING, State.SETTLED) or not kept:
            return
        preimage = self._secret(record)
        for part in self._kept.pop(record.payment_hash).values():
            for answer in part.answers:
                answer.resolve(preimage)
        self.touched(record.payment_hash)

    def _fail(self, payment_hash: str, failure: Callable[[_Kept], str]) -> None:
        kept = self._kept.pop(payment_hash, {})
        for part in kept.values():
            for answer in part.answers:
                answer.fail(failure(part))
        self.touched(payment_hash)

    def _secret(self, record: Record) -> bytes:
        """The preimage, and surely the right one: lightningd ends itself over a wrong one."""
        preimage = self.lightning.secret(record.ref)
        if hashlib.sha256(preimage).hexdigest() != record.payment_hash:
            raise Trouble(f"the node derives another preimage for {record.ref} than when the hold was made")
        return preimage

    def _save(self, record: Record) -> None:
        self.lightning.save(record)
        self._put(record)
        self.touched(record.payment_hash)

    def _put(self, record: Record) -> None:
        self._records[record.payment_hash] = record
        (self._live.add if record.state in LIVE else self._live.discard)(record.payment_hash)


def _worth(record: Record) -> int:
    """What a settle brings at least: on the chain each part loses what is less than a sat."""
    return max(1, record.received - 999 * len(record.parts))
