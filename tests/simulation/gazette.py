"""What the public can read: the log entries of every task as any relay has shown them, kept as they come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from handlers.fees import Fees
from kinds.events import RECORD, Event, read_json
from kinds.log import LOG_TAG
from kinds.states import Payer, TaskState
from kinds.units import Msat
from tests.simulation.ahead import Ahead, budget, is_about, sats
from tests.virtual.hub import Relay


@dataclass(slots=True)
class Public:
    """One task's log, by seq. `broken`: two entries of one seq, which must never be."""

    address: str = ""
    root: str = ""
    entries: dict[int, dict[str, Any]] = field(default_factory=dict)
    broken: bool = False

    @property
    def newest(self) -> dict[str, Any]:
        return self.entries[max(self.entries)]

    @property
    def is_final(self) -> bool:
        return bool(self.entries) and TaskState(self.newest["state"]).is_final

    @property
    def end(self) -> str:
        """The state in which it ended, '' before."""
        return str(self.newest["state"]) if self.is_final else ""

    @property
    def shown(self) -> dict[str, Any]:
        """The amounts that both were shown: those of the milestone whose turn it is, where they have agreed on some."""
        newest = self._own_newest
        released = newest["type"] == "settlement.completed" and newest["state"] == "Draft"
        return self.shown_of(int(newest["facts"].get("milestone", 1)) + released)

    def shown_of(self, number: int) -> dict[str, Any]:
        """Those of this milestone."""
        first: dict[str, Any] = self.entries[1]["facts"]
        plan = self.plan
        if "currency" in first and number in (ahead := self.ahead).ever:
            return first | self._by_parts(ahead, number)
        if "currency" in first and (invoice := self._invoice_of(number)):  # as it was shown with the newest one
            return {**first, **invoice, "hold_msat": invoice["amount_msat"]}
        if plan is None or not plan["milestones"]:
            return first
        part = plan["milestones"][number - 1]
        reward, budget = int(part["reward_msat"]), int(part["budget_msat"])
        return first | self._amounts(reward, budget)

    def _amounts(self, reward: int, budget: int) -> dict[str, Any]:
        first: dict[str, Any] = self.entries[1]["facts"]
        fees = Fees(
            ppm=first["service_fee_ppm"], base=Msat(first["service_fee_base_msat"]), minimum=Msat(first["service_fee_minimum_msat"]),
            payer=Payer(first["service_fee_payer"]), insurance_percent=first["insurance_percent"],
        )  # fmt: skip
        fee, net = fees.of(Msat(reward)), reward - fees.of_worker(Msat(reward))
        own = {"reward_msat": reward, "budget_msat": budget, "service_fee_msat": fee, "net_msat": net}
        return own | {"hold_msat": net + fee + budget}

    def _by_parts(self, ahead: Ahead, number: int) -> dict[str, Any]:
        """Of a price in a currency that has, or had, a deposit: each part of it at the rate of its own money."""
        first = self.entries[1]["facts"]
        parts = ahead.parts(number, (first["rate"], first["rate_time"]))
        reward = sum(sats(price, rate) for price, (rate, _) in parts)
        whole = sum(price for price, _ in parts)
        own = {"price": str(whole), "parts": [(price, time) for price, (_, time) in parts]}
        return own | self._amounts(reward, budget(first, reward))

    @property
    def ahead(self) -> Ahead:
        """The deposit, as the log says."""
        return Ahead(self.entries)

    def as_of(self, seq: int) -> Public:
        """As it was when this was the newest entry."""
        return replace(self, entries={number: entry for number, entry in self.entries.items() if number <= seq})

    @property
    def _own_newest(self) -> dict[str, Any]:
        """The newest entry that is not about a deposit."""
        return self.entries[max(seq for seq, entry in self.entries.items() if not is_about(entry))]

    def amount_of(self, funding: str) -> int:
        """msat, of the hold's invoice."""
        asked = (e["facts"] for e in self.entries.values() if e["type"] in ("invoice.created", "rollover.asked"))
        return next(int(facts["amount_msat"]) for facts in asked if facts["funding"] == funding)

    def last_of_the_work(self, *kinds: str) -> dict[str, Any] | None:
        """The newest entry of one of these types that is not about a deposit."""
        found = [seq for seq, entry in self.entries.items() if entry["type"] in kinds and not is_about(entry)]
        return self.entries[max(found)] if found else None

    def _invoice_of(self, number: int) -> dict[str, Any] | None:
        """The facts of the newest invoice for this milestone."""
        found = [
            seq
            for seq, entry in self.entries.items()
            if entry["type"] == "invoice.created"
            and entry["facts"].get("milestone", 1) == number
            and not is_about(entry)
        ]
        return self.entries[max(found)]["facts"] if found else None

    @property
    def plan(self) -> dict[str, Any] | None:
        """The proposal that was agreed on last."""
        agreed = self.last("plan.agreed")
        plans = [entry["facts"] for entry in self.entries.values() if entry["type"] == "plan.proposed"]
        return next(facts for facts in plans if facts["plan"] == agreed["facts"]["plan"]) if agreed else None

    @property
    def _rate(self) -> str | None:
        """What an hour costs, as they agreed on last."""
        agreed = [entry["facts"]["plan"] for entry in self.entries.values() if entry["type"] == "plan.agreed"]
        plans = [
            (seq, entry["facts"])
            for seq, entry in self.entries.items()
            if entry["type"] == "plan.proposed" and entry["facts"]["plan"] in agreed and "hourly_rate" in entry["facts"]
        ]
        rate = max(plans)[1]["hourly_rate"] if plans else self.entries[1]["facts"].get("hourly_rate")
        return rate and str(rate)

    @property
    def net(self) -> int:
        """What the worker was shown that he gets, msat."""
        return int(self.shown["net_msat"])

    def share(self, percent: int) -> int:
        """What he gets of so many percent: his part of the reward less that of what he bears of the fee, each in whole sats; of work that is
        paid by the hour, of what the delivered hours come to."""
        reward = int(self.shown["reward_msat"])
        parts = [self._worked(amount) for amount in (reward, reward - self.net)]
        if percent != 100:
            parts = [amount * percent // 100 // 1000 * 1000 for amount in parts]
        return parts[0] - parts[1]

    def due(self, percent: int) -> int:
        """What the employer may be asked for where he pays on approval: that share, the fee of it, and what sending may cost."""
        fee = self._worked(int(self.shown["service_fee_msat"]))
        fee = fee if percent == 100 else fee * percent // 100 // 1000 * 1000
        return self.share(percent) + fee + int(self.shown["budget_msat"])

    @property
    def hours(self) -> int:
        """Hundredths of an hour, of the newest delivery since the work began; 0 for none."""
        since, proof = self.last("task.claimed"), self.last("proof.submitted")
        return int(proof["facts"].get("hours", 0)) if since and proof and proof["seq"] > since["seq"] else 0

    @property
    def most_hours(self) -> int:
        """So many are in the price of the milestone whose turn it is; 0 where it is not paid by the hour."""
        rate = self._rate
        return int(self._price * 100 / Fraction(rate)) if rate else 0

    @property
    def _price(self) -> Fraction:
        shown = self.shown
        return Fraction(shown["price"]) if "currency" in shown else Fraction(shown["reward_msat"], 1000)

    def _worked(self, amount: int) -> int:
        rate = self._rate
        if not self.hours or not rate:
            return amount
        done = Fraction(self.hours, 100) * Fraction(rate) / self._price
        return amount if done == 1 else int(amount * done / 1000) * 1000

    def last(self, *kinds: str) -> dict[str, Any] | None:
        """The newest entry of one of these types."""
        found = [seq for seq, entry in self.entries.items() if entry["type"] in kinds]
        return self.entries[max(found)] if found else None


class Gazette:
    def __init__(self, bot: str, relays: Sequence[Relay], read: Callable[[str, dict[str, Any]], None]) -> None:
        self._bot, self._read = bot, read
        self.tasks: dict[str, Public] = {}
        self._heard: dict[str, Event] = {}
        for relay in relays:
            relay.listeners.append(self._hear)

    def of(self, task: str) -> Public | None:
        return self.tasks.get(task)

    def _hear(self, event: Event, relay: Relay) -> None:
        if event.pubkey != self._bot or event.kind != RECORD or LOG_TAG not in event.tag_values("t"):
            return
        if self._heard.get(event.id) is event:  # the very same, from the other relay
            return
        self._heard[event.id] = event
        content = read_json(event.content)
        assert isinstance(content, dict), "a log entry is a JSON object"
        entry = content | {"id": event.id}
        public = self.tasks.setdefault(entry["task"], Public())
        known = public.entries.get(entry["seq"])
        public.broken = public.broken or (known is not None and known["id"] != event.id)
        if known is None:
            public.entries[entry["seq"]] = entry
            public.address = event.tag("a") or ""
            public.root = event.tag("e") or (event.id if entry["seq"] == 1 else public.root)
            self._read(entry["task"], entry)
