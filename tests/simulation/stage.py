"""A city of one agreement that follows a script: what its people, the world around the daemon and the operator do, line by line.

    employer MOVE [PERCENT]      one of the moves of `players`, also worker and thief; without a pause between two of them
    operator ACTION [WORDS]      freeze, unfreeze, pause, resume, ban ROLE, compensate SATS, terms FIELD=VALUE
    until WHAT                   a state ("Claimed", "Verified/settling") or the next log entry of that type; account.paid: somebody has withdrawn
    never TYPE                   there is no such entry of the log
    wait SECONDS                 time passes
    blocks N | L | M | R         so many blocks come, or all up to that height of the hold (M: E - M; R: a fresh one is asked for), or N
                                 short of it: "L-3"; CL and CR: the same of the first hold of a deposit; "blocks late N": none comes for the time of so many
    node FIELD=VALUE ...         faults of the node; "node loses CALL ..." for requests that do not arrive; "node well"; "node fee_ppm=N":
                                 what its routes cost
    node restarts | dies HOW     ... | it gives the hold back by itself, or (settles) settles it, (off_channel) its channel closes; "dies back
                                 cover": the first one of a deposit that is held
    payee takes | refuses        the end of a payout that its payee holds; "payee on_chain": whose channel was closed under it
    daemon dies [N] | away | back   now or N steps from now and starts again; it stays away; it may start
    relays FIELD=VALUE ...       down, mute or forgets; or a field of their weather
    letters lost | back          no relay takes those to the employer | all take them
    unwanted paid                somebody pays an invoice that was given up
    another life                 the same two have another agreement, which is paid

Meanwhile the process dies now and then, by the seed; nothing else goes wrong than what the script says.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from bot.config import Settings
from bot.nodes.preimages import preimage_of
from bot.nodes.simnet.book import NODE
from bot.nodes.simnet.faults import Faults, changed_faults
from handlers.task import Funding, Task
from kinds.events import DM_WRAP
from kinds.figures import npub
from kinds.lightning import HoldStatus
from kinds.states import FundingState
from storage import commit
from tests.simulation.city import City, settings_of
from tests.simulation.gazette import Public
from tests.simulation.guard import Violation
from tests.simulation.judge import withdrawn
from tests.simulation.players import Deal, Player, Temper
from tests.simulation.sea import Weather

_ROLES = ("employer", "worker", "thief")
_PATIENCE = 30 * 3600  # seconds in which what the script waits for must come
_SOON = 4 * 3600  # the deadline
_DEPOSIT = {
    "deposit_percent": 25,
    "deposit_above_sat": 30_000,
    "deposit_above_price": 3_000,
}  # asked for by a script alone
_LIFE = """
    employer fund
    until PendingFunding
    employer lock
    until Funded
    worker claim_named
    until Claimed
    worker submit
    until proof.submitted
    employer approve
    until Paid
"""


@dataclass(frozen=True, slots=True)
class Scenario:
    """`source`: the incident that it plays, or ''. `ends`: the final state, or "this or that". `settings`: of terms, beside those of any city."""

    name: str
    script: str
    ends: str
    source: str = ""
    terms: dict[str, Any] = field(default_factory=dict)  # of the agreement
    settings: dict[str, Any] = field(default_factory=dict)  # of the house
    deadline: int = _SOON
    rupees: str = ""  # the price, where it is not in sats


class Stage:
    """Plays one scenario in a city that was made for it."""

    def __init__(self, seed: int, scenario: Scenario) -> None:
        self._scenario = scenario
        self.city = City(seed, settings=_settings(scenario))
        self._chance = random.Random(f"{seed}/stage")
        self._seen = 0  # the newest entry that `until` has waited for
        self._unwanted: set[str] = set()
        self._moves: dict[str, Callable[..., Any]] = {
            name.removeprefix("_do_"): getattr(self, name) for name in dir(self) if name.startswith("_do_")
        }

    async def play(self) -> None:
        city, scenario = self.city, self._scenario
        employer, worker, thief = (city.person(role, number) for number, role in enumerate(_ROLES, 1000))
        terms = {"review_window": 3600, "on_silence": "approve", "on_reject": "dispute", "on_hold_end": "refund"}
        deal = Deal(
            number=1, employer=employer, worker=worker, thief=thief, tempers=dict.fromkeys(_ROLES, Temper.HONEST), sat=21_000,
            terms=terms | scenario.terms, deadline=city.time + scenario.deadline, posted=self._chance.random() < 0.5, tired=True,
            rupees=scenario.rupees,
        )  # fmt: skip
        self._begin(deal)
        async with city.running():
            dying = city.begin(self._dying())
            try:
                await self._follow(scenario.script)
            finally:
                dying.cancel()
            city.process_dies_at(0)
            await city.finish()
        if self._public.end not in scenario.ends.split(" or "):
            raise Violation(self._deal.task, f"it ends {self._public.end}, and not {scenario.ends}")

    def _begin(self, deal: Deal) -> None:
        city = self.city
        city.deals.append(deal)
        self._deal, self._seen = deal, 0
        self._players = {role: Player(deal, role, city.gazette, city.story, lambda: city.time) for role in _ROLES}

    async def _follow(self, script: str) -> None:
        self._players["employer"]._offer()
        await self._do_until("task.created")
        for line in filter(None, (line.partition("#")[0].strip() for line in script.splitlines())):
            self.city.story.tell(f"> {line}", self._deal.task)
            first, *words = line.split()
            if first in _ROLES:
                self._said(first, *words)
            else:
                done = self._moves[first](*words)
                if asyncio.iscoroutine(done):
                    await done

    async def _dying(self) -> None:
        while True:
            await asyncio.sleep(self._chance.expovariate(1 / 1200))
            self.city.story.fault("killed")
            self.city.process_dies_at(self._chance.randint(1, 60))

    @property
    def _public(self) -> Public:
        public = self.city.gazette.of(self._deal.task)
        assert public is not None, "the script begins when the task is public"
        return public

    @property
    def _task(self) -> Task:
        with self.city.engine.begin() as tx:
            held = commit.load(tx, self._deal.task)
        assert held is not None, "what is public is in the books"
        return held.task

    # What people do

    def _said(self, role: str, move: str, percent: str = "") -> None:
        player = self._players[role]
        if percent:
            player._say(move, self._public, "cancel.offered", percent=int(percent))
        else:
            player._do(move, self._public)

    async def _do_operator(self, action: str, *words: str) -> None:
        city, task = self.city, self._deal.task
        match action:
            case "ban" | "unban":
                await city.operator.say(action, npub=npub(self._players[words[0]].me.pubkey))
            case "compensate":
                await city.operator.say(action, task, amount=int(words[0]), reason="it was lost")
            case "terms":
                fees = city.settings.fees.model_copy(update=_values(words))
                city.settings = city.settings.model_copy(update={"fees": fees})
                self._do_daemon("dies")
            case "pause" | "resume":
                await city.operator.say(action)
            case _:
                await city.operator.say(action, task)

    # What happens

    async def _do_until(self, what: str) -> None:
        for _ in range(_PATIENCE // 20):
            if self._is(what):
                return
            await self.city.until(20)
        raise Violation(self._deal.task, f"the scenario waits in vain for {what}")

    def _is(self, what: str) -> bool:
        public = self.city.gazette.of(self._deal.task)
        if public is None:
            return False
        if what == "account.paid":
            return bool(withdrawn(self.city))
        if "." in what or what in ("compensation", "incident"):
            found = [seq for seq, entry in public.entries.items() if entry["type"] == what and seq > self._seen]
            self._seen = min(found, default=self._seen)
            return bool(found)
        state, _, phase = what.partition("/")
        if phase:
            return bool(self._task.state == state and self._task.phase == phase)
        found = [seq for seq, entry in public.entries.items() if entry["state"] == state and seq > self._seen]
        self._seen = min(found, default=self._seen)
        return bool(found) or bool(public.newest["state"] == state)

    def _do_never(self, kind: str) -> None:
        if self._public.last(kind):
            raise Violation(self._deal.task, f"there is a {kind} in its log")

    async def _do_wait(self, seconds: str) -> None:
        await self.city.until(float(seconds))

    def _do_blocks(self, where: str, late: str = "") -> None:
        if where == "late":
            self.city.no_blocks(int(late))
            return
        name, _, short = where.partition("-")
        task, network = self._task, self.city.node.network
        heights = {"L": task.last_safe_height, "M": task.settle_height, "R": task.rollover_height}
        if name in ("CL", "CR"):
            cover = self._cover(task)
            heights = {"CL": task.terms.last_safe(cover.expiry_height), "CR": task.renews_at(cover)}
        blocks = int(name) if name.isdigit() else heights[name] - int(short or 0) - network.height
        self.city.mine(max(0, blocks))

    def _do_node(self, *words: str) -> None:
        network = self.city.node.network
        match words:
            case ("well",):
                network.faults = Faults()
            case ("loses", *calls):
                network.faults = replace(network.faults, lose_requests=10**6, only=tuple(calls))
            case ("restarts",):
                network.restart()
            case (word,) if word.startswith("fee_ppm="):
                network.params = replace(network.params, **_values(words))
            case ("dies", how, *which):
                self._end_hold(how, self._cover(self._task) if which == ["cover"] else self._task.hold)
            case _:
                network.faults = changed_faults(network.faults, _values(words))

    def _cover(self, task: Task) -> Funding:
        """Held for the milestone whose turn it is, or for the next that has one."""
        return min((f for f in (*task.holds, *task.covers) if f.covers), key=lambda cover: cover.milestone)

    def _end_hold(self, how: str, hold: Funding | None) -> None:
        network = self.city.node.network
        assert hold is not None, "the script has one held"
        match how:
            case "back":
                network.lose_hold(hold.payment_hash)
            case "settles":
                network.settle(hold.payment_hash, preimage_of(network.key, hold.ref).hex())
            case "off_channel":
                network.force_close(hold.payment_hash)

    def _do_payee(self, how: str) -> None:
        network = self.city.node.network
        for payment in network.book.payments(NODE):
            row = network.book.invoice(payment.hash)
            if row is None or row.status is not HoldStatus.HELD:
                continue
            if how == "on_chain":  # its HTLC does not end by itself at its height any more
                with network.book.transaction():
                    network.book.put_invoice(replace(row, due_height=None))
            else:
                network.release(payment.hash, complete=how == "takes")

    def _do_daemon(self, how: str, steps: str = "1") -> None:
        city = self.city
        if how == "back":
            city.may_start.set()
            return
        if how == "away":
            city.may_start.clear()
        city.story.fault("killed")
        city.process_dies_at(int(steps))

    def _do_relays(self, *words: str) -> None:
        for relay in self.city.relays:
            for name, value in _values(words).items():
                if name == "mute" and not value:
                    relay.speak()
                elif hasattr(Weather, name):
                    relay.weather = replace(relay.weather, **{name: value})
                else:
                    setattr(relay, name, value)

    def _do_letters(self, how: str) -> None:
        employer = self._deal.employer.pubkey
        for relay in self.city.relays:
            relay.refuses = lambda event: how == "lost" and event.kind == DM_WRAP and event.tag("p") == employer

    async def _do_another(self, what: str) -> None:
        here = self._deal, self._players, self._seen
        self._begin(
            replace(self._deal, number=len(self.city.deals) + 1, said=[], hurry={}, deadline=self.city.time + _SOON)
        )
        await self._follow(_LIFE)
        self._deal, self._players, self._seen = here

    def _do_unwanted(self, paid: str) -> None:
        """The one that was given up last; each once."""
        given_up = [f for f in self._task.fundings if f.goal == "cancel" and f.state is FundingState.CREATED]
        fresh = [f for f in given_up if f.ref not in self._unwanted]
        assert fresh, "the script has one given up"
        self._unwanted.add(fresh[-1].ref)
        self._players["employer"].me.pay(fresh[-1].invoice.reveal())


def _settings(scenario: Scenario) -> Settings:
    found = settings_of(0)
    terms = found.terms.model_copy(
        update={"hold_cltv": 560, "margin": 58, "hold_timeout": 6 * 3600} | _DEPOSIT | scenario.settings
    )
    return found.model_copy(update={"terms": terms})


def _values(words: tuple[str, ...]) -> dict[str, Any]:
    """field=value ..., values as in Python, but that a word is a word."""
    known = {"True": True, "False": False}
    found: dict[str, Any] = {}
    for word in words:
        name, _, value = word.partition("=")
        number = float(value) if "." in value and value.replace(".", "").isdigit() else None
        found[name] = known.get(value, int(value) if value.isdigit() else number if number is not None else value)
    if "only" in found:
        found["only"] = tuple(found["only"].split(","))
    return found
