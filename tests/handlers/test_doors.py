"""The house's doors: what a pause and a ban refuse, what they never touch, and who may close them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from handlers.decide import decide, rule
from handlers.decision import Decision, Refusal
from handlers.doors import Ruling
from handlers.house import OPEN, House
from kinds import commands
from kinds.codes import Refused
from kinds.inputs import BY_HAND, Evidence, Offered, Proven, Said
from kinds.task import offer
from kinds.units import EventId, Pubkey
from tests.handlers import builders
from tests.handlers.life import EMPLOYER, POLICY, START, STRANGER, WORKER, Life
from tests.handlers.test_freezing import OPERATOR, fields

PAUSED = House(paused_at=START)
BANNED = House(banned=frozenset({EMPLOYER, WORKER}))


def ruled(house: House, command: commands.Command, by: Pubkey = BY_HAND, named: str = "") -> Ruling | Refusal:
    said = Said(by, command, Evidence(Proven.ATTESTED))
    return rule(house, said, Life().now, dataclasses.replace(POLICY, operator=named))


def the_house_after(*said: commands.Command, house: House = OPEN) -> House:
    for command in said:
        done = ruled(house, command)
        assert isinstance(done, Ruling)
        house = done.house
    return house


def test_a_pause_is_public_and_so_is_its_end() -> None:
    paused = ruled(OPEN, commands.Pause())
    assert isinstance(paused, Ruling)
    assert paused.house == PAUSED
    assert [(entry.type, entry.facts) for entry in paused.published] == [("house.paused", {})]
    resumed = ruled(PAUSED, commands.Resume())
    assert isinstance(resumed, Ruling)
    assert resumed.house == OPEN
    assert [(entry.type, entry.facts) for entry in resumed.published] == [("house.resumed", {"since": START})]


def test_a_ban_is_not_published() -> None:
    for command in (commands.Ban(npub=WORKER), commands.Unban(npub=STRANGER)):
        done = ruled(House(banned=frozenset({STRANGER})), command)
        assert isinstance(done, Ruling)
        assert (done.published, done.told["who"]) == ((), command.npub)
    assert the_house_after(commands.Ban(npub=WORKER), commands.Ban(npub=STRANGER)).banned == {WORKER, STRANGER}
    assert the_house_after(commands.Ban(npub=WORKER), commands.Pause(), commands.Unban(npub=WORKER)) == PAUSED


@pytest.mark.parametrize(
    ("house", "command"),
    [
        (PAUSED, commands.Pause()), (OPEN, commands.Resume()), (BANNED, commands.Ban(npub=WORKER)),
        (OPEN, commands.Unban(npub=WORKER)),
    ],
)  # fmt: skip
def test_what_is_so_already(house: House, command: commands.Command) -> None:
    done = ruled(house, command)
    assert isinstance(done, Refusal)
    assert done.code is Refused.ALREADY


@pytest.mark.parametrize(("by", "named", "may"), [
    (BY_HAND, "", True), (OPERATOR, OPERATOR, True), (OPERATOR, "", False), (EMPLOYER, OPERATOR, False),
])  # fmt: skip
@pytest.mark.parametrize("command", [commands.Pause(), commands.Ban(npub=WORKER), commands.Unban(npub=EMPLOYER)])
def test_who_may(by: Pubkey, named: str, may: bool, command: commands.Command) -> None:
    done = ruled(House(banned=frozenset({EMPLOYER})), command, by, named)
    assert isinstance(done, Ruling) if may else done == Refusal(Refused.NOT_OPERATOR, {"action": command.action})


# ---------------------------------------------------------------------- what they refuse


def offered(house: House, by: Pubkey = EMPLOYER) -> Decision | Refusal:
    pinned = EventId("ab" * 32)
    words = offer("Build a page", "50000", START + 86400, {})
    what = Offered(by, words, pinned, f"30078:{by}:page", Evidence(Proven.SIGNED, {"id": pinned}, None, START))
    return decide(None, what, Life().now, POLICY, house)


def outcome(life: Life, by: Pubkey, action: str, house: House) -> str:
    """The refusal's code, or 'done'."""
    said = life.said(by, life.command(action, **fields(action, life)))
    done = decide(life.task, said, life.now, life.policy, house)
    return str(done.code) if isinstance(done, Refusal) else "done"


def test_no_new_offers() -> None:
    for house, code in ((PAUSED, Refused.PAUSED), (BANNED, Refused.BANNED)):
        refused = offered(house)
        assert isinstance(refused, Refusal)
        assert refused.code is code
    assert isinstance(offered(BANNED, by=STRANGER), Decision)
    assert isinstance(offered(OPEN), Decision)


# Where it stands, who says what, and what a pause and a ban of that person make of it.
CELLS: tuple[tuple[Callable[[], Life], Pubkey, str, str, str], ...] = (
    (builders.draft, EMPLOYER, "fund", "paused", "banned"),
    (builders.making, EMPLOYER, "fund", "done", "done"),
    (builders.pending, EMPLOYER, "fund", "done", "done"),
    (builders.draft, EMPLOYER, "cancel", "done", "done"),
    (builders.funded, EMPLOYER, "cancel", "done", "done"),
    (builders.funded, WORKER, "claim", "done", "banned"),
    (builders.claimed, WORKER, "submit", "done", "done"),
    (builders.claimed, WORKER, "abandon", "done", "done"),
    (builders.submitted, EMPLOYER, "approve", "done", "done"),
    (builders.submitted, EMPLOYER, "reject", "done", "done"),
    (builders.submitted, WORKER, "dispute", "done", "done"),
    (builders.verified, WORKER, "payout", "done", "done"),
)


@pytest.mark.parametrize(("start", "by", "action", "when_paused", "when_banned"), CELLS)
def test_what_is_under_way_goes_on(
    start: Callable[[], Life], by: Pubkey, action: str, when_paused: str, when_banned: str
) -> None:
    life = start()
    assert outcome(life, by, action, OPEN) == "done"
    assert outcome(life, by, action, PAUSED) == when_paused
    assert outcome(life, by, action, BANNED) == when_banned
    assert outcome(life, by, action, House(banned=frozenset({STRANGER}))) == "done"


def test_who_is_welcome_may_claim_what_a_banned_employer_has_funded() -> None:
    assert outcome(builders.funded(), STRANGER, "claim", BANNED) == "done"
