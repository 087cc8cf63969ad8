"""People of the simulation: a key, a wallet, a letter box, and every way to speak to the daemon. What they do is their temper's affair."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.nodes.simnet.wallets import Wallet
from kinds import bolt11
from kinds.bolt11 import BadInvoice
from kinds.decision import DECISION_TAG
from kinds.events import DM_RUMOR, DM_WRAP, PROOF, RECORD, TASK, Event, Unsigned, read_json
from kinds.proof import PROOF_TAG
from kinds.task import OFFER_TAG
from kinds.units import EventId, Msat, Pubkey, Secret
from tests.simulation.gazette import Public
from tests.simulation.signer import PlainSigner
from tests.virtual.hub import Relay


@dataclass(slots=True)
class Desk:
    """What a person knows from his letters about one task."""

    invoices: list[str] = field(default_factory=list)  # to lock the money, the newest last
    owed: int = 0  # msat that he was told to name a destination for
    named: list[str] = field(default_factory=list)  # invoices that he gave as destinations
    covers: list[str] = field(default_factory=list)  # invoices of a deposit that he has not paid yet
    renewals: list[str] = field(default_factory=list)  # invoices of fresh holds, which may be a deposit's
    seen_ahead: set[str] = field(default_factory=set)
    asked_ahead: bool = False  # whether he wants to lock a deposit
    rests_until: int = 0  # he was told that no more invoices are made for it before


class Person:
    def __init__(
        self,
        name: str,
        number: int,
        wallet: Wallet,
        bot: Pubkey,
        relays: Sequence[Relay],
        clock: Callable[[], int],
        chance: random.Random,
    ) -> None:
        self.name, self.wallet, self.chance = name, wallet, chance
        self.signer = PlainSigner(Secret(f"{number:064x}"))
        self.start = wallet.balance
        self.desks: dict[str, Desk] = {}
        self.payable = 0  # msat that he could withdraw from his account, as far as he knows
        self.sent_to_him: list[str] = []  # invoices over what he withdrew
        self.spoken: list[Event] = []  # everything that he has sent, for replays
        self._bot, self._relays, self._clock = bot, relays, clock
        self._seen: set[str] = set()

    @property
    def pubkey(self) -> Pubkey:
        return self.signer.pubkey

    def desk(self, task: str) -> Desk:
        return self.desks.setdefault(task, Desk())

    # Reading

    def read(self, event: Event) -> None:
        """A letter for him; each message counts once, and those in words are not for programs."""
        rumor = self.signer._unwrap(event)
        if rumor.id in self._seen or not rumor.content.startswith("{"):
            return
        self._seen.add(rumor.id)
        told = read_json(rumor.content)
        assert isinstance(told, dict), "an answer is a JSON object"
        self._note(told)

    def _note(self, told: dict[str, Any]) -> None:
        desk = self.desk(str(told.get("task")))
        match told["code"]:
            case "invoice" | "deposit_invoice" if told.get("renews") and told["invoice"] not in desk.invoices:
                desk.invoices.append(told["invoice"])
                desk.renewals.append(told["invoice"])
            case "invoice" if told["invoice"] not in desk.invoices:
                desk.invoices.append(told["invoice"])
            case "deposit_offered":
                desk.asked_ahead = True
            case "deposit_invoice" if not told["renews"] and told["invoice"] not in desk.seen_ahead:
                desk.covers.append(told["invoice"])
                desk.seen_ahead.add(told["invoice"])
            case "approved" if told.get("needs_destination"):
                desk.owed = told["amount_msat"]
            case "destination_needed":
                desk.owed = told["amount_msat"]
            case "credited" | "change_owed":
                self.payable += told["payable_msat"]
            case "balance" | "credit_paid" | "withdrawal_noted" | "withdrawal_failed" | "too_much":
                self.payable = told["payable_msat"]
            case "nothing_owed":
                self.payable = 0
            case "too_many_quotes":
                desk.rests_until = self._clock() + told["wait"]

    # Speaking

    def send(self, event: Event) -> None:
        """To every relay that takes it. Relays that are away get it from the others' readers, or never."""
        self.spoken.append(event)
        for relay in self._relays:
            relay.take(event)

    def tell(self, action: str, task: str = "", **words: Any) -> EventId:
        """A letter in JSON; returns the id of its rumor."""
        said = {"v": 1, "action": action, **({"task": task} if task else {}), **words}
        rumor = Unsigned(self.pubkey, self._clock(), DM_RUMOR, (("p", self._bot),), json.dumps(said))
        self.send(self.signer._wrap(self._bot, rumor))
        return rumor.id

    def decide(self, action: str, task: str, basis: str, **words: Any) -> None:
        """The same, signed for the public."""
        tags = (("d", task), ("t", DECISION_TAG), ("p", self._bot), ("e", basis, "", "basis"))
        said = json.dumps({"v": 1, "action": action, "task": task, **words})
        self.send(self.signer._sign(Unsigned(self.pubkey, self._clock(), RECORD, tags, said)))

    def offer(self, price: tuple[str, str], title: str, deadline: int, d: str, terms: dict[str, Any]) -> EventId:
        """`price`: amount and currency, "" for sats."""
        amount, currency = price
        tags = (
            ("d", d), ("p", self._bot), ("t", OFFER_TAG), ("title", title), ("amount", amount), ("deadline", str(deadline)),
            *((("currency", currency),) if currency else ()),
        )  # fmt: skip
        event = self.signer._sign(Unsigned(self.pubkey, self._clock(), TASK, tags, json.dumps(terms)))
        self.send(event)
        return event.id

    def prove(self, task: str, public: Public, employer: Pubkey, sha256: str, hours: str = "") -> None:
        tags = (
            ("d", f"proof-{task}-{self._clock()}"), ("a", public.address), ("e", public.root), ("p", self._bot),
            ("p", employer), ("t", PROOF_TAG), ("url", "https://example.org/file.zip"), ("x", sha256),
            *((("hours", hours),) if hours else ()),
        )  # fmt: skip
        self.send(self.signer._sign(Unsigned(self.pubkey, self._clock(), PROOF, tags, "done")))

    # Money

    def invoice(self, amount: int, expiry: int = 30 * 86400) -> str:
        return self.wallet.invoice(Msat(amount), expiry=expiry)

    def pay(self, invoice: str, factor: float = 1.0, parts: int = 1) -> None:
        """Pays, or tries to; `factor` other than 1 is a wrong amount."""
        try:
            amount = bolt11.decode(invoice).amount
            assert amount is not None, "hold invoices name their amount"
            self.wallet.pay(invoice, parts=parts, amount=None if factor == 1.0 else Msat(int(amount * factor)))
        except (BadInvoice, ValueError):
            pass


class Post:
    """Brings letters from the relays to the people."""

    def __init__(self, relays: Sequence[Relay]) -> None:
        self._people: dict[str, Person] = {}
        for relay in relays:
            relay.listeners.append(self._deliver)

    def add(self, person: Person) -> Person:
        self._people[person.pubkey] = person
        return person

    def _deliver(self, event: Event, relay: Relay) -> None:
        if event.kind == DM_WRAP and (reader := self._people.get(event.tag("p") or "")):
            reader.read(event)
