"""A keeper with everything around it in memory: lightningd's datastore and books, its questions, and a clock by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bot.nodes.cln.plugin.keeper import Keeper, Sight, Trouble
from bot.nodes.cln.plugin.records import Record, decode, encode
from bot.nodes.cln.plugin.verdict import Htlc
from bot.nodes.cln.wire import State

NOW, HEIGHT = 1_900_000_000.0, 1000
AMOUNT, CLTV, EXPIRY = 20_000_000, 200, 3600
SECRET = "5e" * 32


@dataclass
class Asked:
    """A question of lightningd; `said` is its answer."""

    said: str = ""

    def pass_on(self) -> None:
        self._say("continue")

    def fail(self, failure: str) -> None:
        self._say(f"fail {failure}")

    def resolve(self, preimage: bytes) -> None:
        self._say(f"resolve {preimage.hex()}")

    def _say(self, word: str) -> None:
        assert not self.said, "answered twice"
        self.said = word


@dataclass
class FakeLightning:
    """`broken` names calls that fail; `late` ones do what was asked and fail all the same."""

    store: dict[str, str] = field(default_factory=dict)
    there: set[str] = field(default_factory=set)
    leaving: set[str] = field(default_factory=set)
    credits: dict[str, int] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)
    hsm: str = "hsm"
    spent: set[str] = field(default_factory=set)

    def save(self, record: Record) -> None:
        self._fail("save")
        self.store[record.payment_hash] = encode(record)
        if "save" in self.late:
            raise Trouble("save: no answer")

    def secret(self, ref: str) -> bytes:
        self._fail("secret")
        return hashlib.sha256(f"{self.hsm} {ref}".encode()).digest()

    def moves(self) -> int:
        self._fail("moves")
        return 7

    def on_channels(self, payment_hash: str, leaving: bool) -> bool:
        self._fail("on_channels")
        return payment_hash in self.there or (leaving and payment_hash in self.leaving)

    def hashes(self) -> set[str]:
        self._fail("hashes")
        return self.there | self.leaving

    def forget(self, record: Record) -> None:
        self._fail("forget")
        del self.store[record.payment_hash]
        if record.spent:
            self.spent.add(record.payment_hash)

    def credited(self, payment_hash: str, since: int) -> int:
        assert since == 7
        return self.credits.get(payment_hash, 0)

    def _fail(self, call: str) -> None:
        if call in self.broken:
            raise Trouble(f"{call}: out of order")


class Town:
    def __init__(self) -> None:
        self.now = NOW
        self.lightning = FakeLightning()
        self.touched: list[str] = []
        self.keeper = self._keeper()
        self.preimage = self.lightning.secret("task/h1")
        self.hash = hashlib.sha256(self.preimage).hexdigest()
        self.record = Record(
            ref="task/h1",
            payment_hash=self.hash,
            payment_secret=SECRET,
            amount=AMOUNT,
            cltv=CLTV,
            expires_at=int(NOW) + EXPIRY,
            invoice="lnbcrt1invoice",
        )
        self.keeper.add(self.record)

    def _keeper(self) -> Keeper:
        keeper = Keeper(self.lightning, lambda: self.now, self.touched.append)
        keeper.start([decode(text) for text in self.lightning.store.values()], HEIGHT)
        return keeper

    def restart(self) -> None:
        """The process died; what was saved is there."""
        height = self.keeper.height
        self.keeper = self._keeper()
        self.keeper.height = height

    def later(self, seconds: float) -> None:
        self.now += seconds
        self.keeper.sweep()

    def mine_to(self, height: int) -> None:
        self.keeper.height = height
        self.keeper.sweep()

    def htlc(self, id: int = 1, amount: int = AMOUNT, total: int = AMOUNT, **changes: object) -> Htlc:
        plain = Htlc(
            key=("1x2x3", id),
            payment_hash=self.hash,
            amount=amount,
            expiry=self.keeper.height + CLTV + 10,
            final=True,
            forward_amount=amount,
            forward_expiry=self.keeper.height + CLTV,
            total=total,
            payment_secret=SECRET,
        )
        return replace(plain, **changes)  # type: ignore[arg-type]

    def arrive(self, *htlcs: Htlc) -> list[Asked]:
        asked = [Asked() for _ in htlcs]
        for htlc, answer in zip(htlcs, asked, strict=True):
            self.keeper.arrive(htlc, answer)
        return asked

    def pay(self, parts: int = 1) -> tuple[list[Htlc], list[Asked]]:
        htlcs = [self.htlc(id=n, amount=AMOUNT // parts) for n in range(parts)]
        self.lightning.there.add(self.hash)
        return htlcs, self.arrive(*htlcs)

    @property
    def sight(self) -> Sight:
        sight = self.keeper.sight(self.hash)
        assert sight is not None
        return sight

    @property
    def state(self) -> State:
        return self.sight.state

    @property
    def stored(self) -> Record:
        return decode(self.lightning.store[self.hash])

    @property
    def resolved(self) -> str:
        return f"resolve {self.preimage.hex()}"

    def details(self, amount: int = AMOUNT, height: int = HEIGHT) -> str:
        return f"fail 400f{amount:016x}{height:08x}"


def said(asked: Sequence[Asked]) -> list[str]:
    return [one.said for one in asked]
