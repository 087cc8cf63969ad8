"""Bad input through public doors: each is refused by its code, or met with silence where no answer is right; and nothing changes.

One daemon for all of them, on a relay that checks nothing and passes everything on, so that what is judged is the daemon.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed

from bot.client import Away, Waited
from bot.config import LimitSettings
from bot.keys import new_secret
from bot.nodes.preimages import read_keys
from bot.nodes.simnet.keys import signing_key
from bot.relays.sdk import nostr_sdk
from bot.relays.signer import KeySigner
from kinds.bolt11 import Bolt11, encode
from kinds.codes import Refused
from kinds.commands import (
    PLANNED,
    Abandon,
    Approve,
    Cancel,
    Claim,
    Dispute,
    Fund,
    HoursWorked,
    Payout,
    Reject,
    Submit,
)
from kinds.commands.base import TaskCommand
from kinds.events import DM_NIP04, DM_RUMOR, DM_SEAL, DM_WRAP, PROOF, RECORD, TASK, Event, Unsigned
from kinds.units import EventId, Msat, PaymentHash, Pubkey, Secret, task_id
from kinds.wording import en
from tests.bot.relays.fakes import FakeRelay, frame
from tests.lives.people import DAY, WORK, Person, Place, house, person, until

pytestmark = pytest.mark.asyncio(loop_scope="module")
URL = "https://example.org/page.html"
MALLORY = new_secret()


@dataclass(slots=True)
class Stage:
    relay: FakeRelay
    place: Place
    employer: Person
    worker: Person
    mallory: Person  # a stranger

    @property
    def people(self) -> tuple[Person, ...]:
        return self.employer, self.worker, self.mallory

    async def snapshot(self, tasks: Sequence[str]) -> dict[str, Any]:
        """All that must not change. To ask for it is also to wait until everything that was said before has been processed."""
        found: dict[str, Any] = {"money": await self.place.money(), "wallets": await self.place.ask("wallet")}
        for who in self.people:
            mine = await who.ask('{"v":1,"action":"tasks"}')
            found[who.name] = sorted((each["task"], each["state"]) for each in mine.said["tasks"])
        for task in tasks:
            history = await self.employer.ask(f'{{"v":1,"action":"history","task":"{task}"}}')
            found[task] = [entry["id"] for entry in history.said["entries"]]
            states = [each for each in self.relay.events.values() if each.tag("d") == f"holdfast-{task}"]
            found[f"state of {task}"] = max((each.created_at, each.id) for each in states)
        return found

    @asynccontextmanager
    async def unchanged(self, *tasks: str) -> AsyncIterator[None]:
        before = await self.snapshot(tasks)
        yield
        assert await self.snapshot(tasks) == before

    @asynccontextmanager
    async def silence(self, *tasks: str) -> AsyncIterator[None]:
        """Unchanged, and nobody gets a letter, but for the answers to the questions of `unchanged` itself."""
        async with self.unchanged(*tasks):
            before = {who.name: len(who.client.letters()) for who in self.people}
            yield
            for who in self.people:
                await who.ask("help")
                assert len(who.client.letters()) == before[who.name] + 1, who.client.letters()[-2:]

    async def throw(self, raw: dict[str, Any]) -> None:
        """Anything to whoever listens, under each of his subscriptions."""
        for connection, subscriptions in list(self.relay.connections.items()):
            for sub_id in list(subscriptions):
                await connection.send(frame(sub_id, raw))

    async def shout(self, data: bytes, *, text: bool) -> None:
        for connection in list(self.relay.connections):
            with suppress(ConnectionClosed):
                await connection.send(data, text=text)

    async def delivered(self, **terms: Any) -> str:
        task = await self.employer.funded(terms=terms)
        await self.worker.claims(task)
        await self.worker.delivers(task)
        return task

    async def entry(self, task: str, type: str) -> str:
        """The id of the newest entry of that type."""
        await self.employer.client.public.entry(task, type)
        return [each.id for each in await self.employer.client.public.log(task) if each.type == type][-1]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    relay = FakeRelay()
    limits = LimitSettings(messages_a_minute=100_000, invoices_a_day=10_000)
    async with (
        relay.running() as url,
        house(tmp_path_factory.mktemp("bad") / "data", [url], limits=limits) as place,
        person("employer", place) as employer,
        person("worker", place) as worker,
        person("mallory", place, secret=MALLORY) as mallory,
    ):
        yield Stage(relay, place, employer, worker, mallory)


def says(text: str, code: Refused) -> bool:
    """Is this the sentence of that code? Words for people carry no code: what is compared is the words around the facts."""
    fixed = [piece for piece in re.split(r"\[[^\]]*\]|\{[^}]*\}", en.SENTENCES[code]) if len(piece) > 12]
    assert fixed, code
    return all(piece.strip() in text for piece in fixed)


# Forgeries


async def test_forged_signatures_and_ids(stage: Stage) -> None:
    """A decision that the employer never made, with a signature of somebody else, of nobody, or under another id."""
    task = await stage.delivered()
    genuine = (await stage.employer.signed(Approve(task=task))).as_dict()
    by_mallory = (await stage.mallory.signed(Approve(task=task), await stage.entry(task, "proof.submitted"))).as_dict()
    async with stage.silence(task):
        await stage.throw(genuine | {"sig": secrets.token_hex(64)})
        await stage.throw(genuine | {"sig": "0" * 128})
        await stage.throw(genuine | {"sig": by_mallory["sig"]})
        await stage.throw(genuine | {"id": secrets.token_hex(32)})
        await stage.throw(by_mallory | {"pubkey": stage.employer.pubkey})
        await stage.throw(genuine | {"pubkey": "f" * 64})
        await stage.throw(genuine | {"content": genuine["content"].replace("approve", "dispute")})
        await stage.throw({"id": genuine["id"]})


async def test_forged_offers_and_proofs(stage: Stage) -> None:
    """An offer in the employer's name, and a proof in the worker's."""
    employer, worker, now = stage.employer, stage.worker, int(time.time())
    task = await employer.funded()
    await worker.claims(task)
    created = await worker.client.public.first(task, "submit")
    proves = {
        "d": "forged",
        "a": created.event.tag("a") or "",
        "e": created.event.tag("e") or "",
        "url": URL,
        "x": WORK,
    }
    offer = Unsigned(employer.signer.pubkey, now, TASK, _offer(employer.client.bot, "forged"), "")
    proof = Unsigned(worker.signer.pubkey, now, PROOF, (("p", worker.client.bot), *proves.items()), "done")
    async with stage.silence(task):
        for unsigned in (offer, proof):
            by_mallory = (
                await stage.mallory.signer.sign(dataclasses.replace(unsigned, pubkey=stage.mallory.signer.pubkey))
            ).as_dict()
            for sig in ("0" * 128, secrets.token_hex(64), by_mallory["sig"]):
                await stage.throw(unsigned.as_dict() | {"sig": sig})
            await stage.throw(by_mallory | {"pubkey": unsigned.pubkey})
            await stage.throw(by_mallory | {"id": unsigned.id, "pubkey": unsigned.pubkey})


async def test_a_forged_copy_before_and_after_the_genuine_event(stage: Stage) -> None:
    """It neither censors the genuine one (Mostro #892) nor is it taken for it."""
    task = await stage.delivered()
    genuine = await stage.employer.signed(Approve(task=task, feedback="good"))
    forged = genuine.as_dict() | {"content": genuine.content.replace("good", "evil")}
    async with stage.silence(task):
        await stage.throw(forged)
        await stage.throw(genuine.as_dict() | {"sig": secrets.token_hex(64)})
    await stage.employer.client.send(genuine)
    await stage.employer.client.public.entry(task, state="Paid")
    await stage.employer.told("paid_employer")
    await stage.worker.client.letter(lambda each: task in each.text and "arrived at" in each.text, "the pay")
    async with stage.silence(task):
        await stage.throw(forged)
        await stage.throw(genuine.as_dict())


async def test_letters_in_the_name_of_another(stage: Stage) -> None:
    """A seal by mallory around the employer's words; a wrap for somebody else; a wrap of nothing; the same wrap again."""
    task = await stage.delivered()
    bot, mallory = stage.employer.client.bot, stage.mallory.signer
    words = Unsigned(stage.employer.signer.pubkey, int(time.time()), DM_RUMOR, (("p", bot),), f"approve {task}")

    async def wrapped(inner: str, to: str = bot, kind: int = DM_SEAL, by: KeySigner = mallory) -> Event:
        seal = await by.sign(Unsigned(by.pubkey, int(time.time()), kind, (), inner))
        once = KeySigner(Secret(secrets.token_hex(32)))
        sealed = await once.encrypt44(to, seal.as_json())  # type: ignore[arg-type]
        return await once.sign(Unsigned(once.pubkey, int(time.time()), DM_WRAP, (("p", bot),), sealed))

    said = json.dumps(words.as_dict())
    async with stage.silence(task):
        await stage.relay.push(await wrapped(await mallory.encrypt44(bot, said)))
        await stage.relay.push(await wrapped(await mallory.encrypt44(bot, said), to=stage.worker.pubkey))
        await stage.relay.push(await wrapped(await mallory.encrypt44(bot, "[" * 5000)))
        await stage.relay.push(await wrapped("nothing"))
        await stage.relay.push(await wrapped(await mallory.encrypt44(bot, said), kind=1))
    question = await stage.worker.ask("help")
    mine = [each for each in stage.relay.events.values() if each.kind == DM_WRAP and ["p", bot] in map(list, each.tags)]
    async with stage.silence(task):
        assert question.reply_to in stage.worker.said
        for wrap in mine[-5:]:
            await stage.throw(wrap.as_dict())


async def test_a_decision_of_another_sent_as_ones_own(stage: Stage) -> None:
    """Mallory embeds the employer's unpublished approval in a message of his own."""
    task = await stage.delivered()
    stolen = await stage.employer.signed(Approve(task=task))
    async with stage.unchanged(task):
        assert await stage.mallory.refusal(stolen.as_json()) in ("bad_field", "bad_json", "not_your_task")


# Decisions and what they rest on


async def test_an_old_decision_after_a_new_one(stage: Stage) -> None:
    """With revisions: the reject of the first proof, an approval of it that was signed and kept, then a second proof."""
    employer, worker = stage.employer, stage.worker
    task = await stage.delivered(on_reject="revise")
    first = await stage.entry(task, "proof.submitted")
    kept = await employer.signed(Approve(task=task), first)
    reject = await employer.signed(Reject(task=task, reason="the form is missing"), first)
    await employer.client.send(reject)
    await employer.client.public.entry(task, "proof.rejected")
    await worker.delivers(task)
    async with stage.unchanged(task):
        await employer.client.send(kept)
        answer = await employer.answer(kept.id)
        assert (answer.code, answer.said["latest"]) == ("basis_stale", await stage.entry(task, "proof.submitted"))
        again = await employer.signed(Reject(task=task, reason="still missing"), first)
        await employer.client.send(again)
        assert (await employer.answer(again.id)).code == "basis_stale"
    async with stage.silence(task):
        await stage.throw(reject.as_dict())
    async with stage.unchanged(task):
        await employer.tell(reject.as_json())  # and inside a message: the same answer again
    async with stage.unchanged(
        task
    ):  # an approval by message that he wrote before the second proof came: he is shown that one
        early = Unsigned(
            employer.signer.pubkey,
            int(time.time()) - 60,
            DM_RUMOR,
            (("p", employer.client.bot),),
            _json(Approve(task=task)),
        )
        await employer.client.send(await employer.signer.wrap(employer.client.bot, early))
        assert (await employer.answer(early.id)).code == "proof_changed"


async def test_decisions_that_rest_on_nothing(stage: Stage) -> None:
    employer = stage.employer
    other, task = await stage.delivered(), await stage.delivered()
    foreign = await stage.entry(other, "proof.submitted")
    now, bot = int(time.time()), employer.client.bot
    content = f'{{"v":1,"action":"approve","task":"{task}"}}'
    plain = (("d", task), ("t", "holdfast-decision"), ("p", bot))
    basis = ("e", await stage.entry(task, "proof.submitted"), "", "basis")
    cases: dict[str, list[tuple[tuple[str, ...], ...]]] = {
        "basis_missing": [plain, (*plain, ("e", foreign, "", "basis")), (*plain, ("e", "ab" * 32, "", "basis"))],
        "basis_stale": [(*plain, ("e", await stage.entry(task, "task.created"), "", "basis"))],
        "bad_tag": [
            (*plain, basis, ("expiration", str(now + DAY))),
            (("d", other), *plain[1:], basis),
            (*plain, ("e", "xyz", "", "basis")),
        ],
    }
    async with stage.unchanged(task, other):
        for code, all_tags in cases.items():
            for tags in all_tags:
                event = await employer.client.say(Unsigned(employer.signer.pubkey, now, RECORD, tags, content))
                assert (await employer.answer(event.id)).code == code, tags


async def test_wrong_signers(stage: Stage) -> None:
    """Each action by everyone who may not do it, signed and by message."""
    task = await stage.delivered()
    invoice = await stage.mallory.make_invoice()
    of_employer: list[TaskCommand] = [Fund(task=task), Approve(task=task), Reject(task=task, reason="no")]
    of_worker: list[TaskCommand] = [Submit(task=task, url=URL, sha256=WORK), Abandon(task=task)]
    of_both: list[TaskCommand] = [Cancel(task=task), Dispute(task=task, reason="no")]
    async with stage.unchanged(task):
        for who, commands in (
            (stage.mallory, [*of_employer, *of_worker, *of_both, Payout(task=task, destination=invoice)]),
            (stage.worker, of_employer),
            (stage.employer, of_worker),
        ):
            for command in commands:
                assert await who.refusal(command) == "not_your_task", command
                if not isinstance(command, Payout):
                    basis = await stage.entry(task, "proof.submitted")
                    signed = await who.client.say(
                        Unsigned(who.signer.pubkey, int(time.time()), RECORD, _tags(who, task, basis), _json(command))
                    )
                    assert (await who.answer(signed.id)).code == "not_your_task", command
        assert await stage.employer.refusal(Claim(task=task)) == "own_task"
        assert await stage.mallory.refusal(Claim(task=task)) == "taken"
        assert await stage.employer.refusal(Payout(task=task, destination=invoice)) == "nothing_owed"


def _offer(bot: str, d: str) -> tuple[tuple[str, str], ...]:
    """The tags of an offer that is in order."""
    at = str(int(time.time()) + DAY)
    return ("d", d), ("p", bot), ("t", "holdfast-task"), ("title", "T"), ("amount", "50000"), ("deadline", at)


def _tags(who: Person, task: str, basis: str) -> tuple[tuple[str, ...], ...]:
    return ("d", task), ("t", "holdfast-decision"), ("p", who.client.bot), ("e", basis, "", "basis")


def _json(command: TaskCommand) -> str:
    return json.dumps({"v": 1, "action": command.action, **command.model_dump(exclude_defaults=True)})


# Offers


def _hourly(**terms: Any) -> str:
    """An offer of hourly pay without an amount."""
    said = {"payment_type": "HOURLY_RATE", "rate": 1250, "cap": 40, "deadline": "3d"} | terms
    return json.dumps({"v": 1, "action": "post", "title": "T", "terms": said})


def _post(**fields: Any) -> str:
    return json.dumps({"v": 1, "action": "post", "amount": 50_000, "title": "T", "terms": {"deadline": "3d"}} | fields)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (_post(amount=0), "bad_amount"),
        (_post(amount=-5), "bad_amount"),
        (_post(amount=10**17), "bad_amount"),
        (_post(amount=10**30), "bad_amount"),
        (_post(amount=1.5), "bad_amount"),
        (_post(amount=50_000.0), "bad_amount"),
        (_post(amount="50000"), "bad_amount"),
        (_post(amount=True), "bad_amount"),
        (_post(amount=None), "bad_amount"),
        (_post(amount=[1]), "bad_amount"),
        (_post().replace("50000", "NaN"), "bad_json"),
        (_post().replace("50000", "1e400"), "bad_amount"),
        (_post(amount=99), "below_minimum"),
        (_post(amount=1_000_001), "above_maximum"),
        (_post(currency="EUR"), "above_maximum"),
        (_post(currency="EUX"), "bad_amount"),
        (_post(currency="EURO"), "bad_field"),
        (_post(amount="12.50"), "bad_amount"),
        (_post(amount="12.505", currency="EUR"), "bad_amount"),
        (_post(amount="1e3", currency="EUR"), "bad_amount"),
        (_post(amount="12.5", currency="JPY"), "bad_amount"),
        (_post(amount="0.01", currency="EUR"), "below_minimum"),
        (_post().replace('"amount": 50000, ', ""), "bad_amount"),
        (_post(terms={"deadline": "3d", "rate": 5}), "bad_field"),
        (_post(terms={"deadline": "3d", "payment_type": "HOURLY_RATE", "rate": 1250, "cap": 39}), "bad_amount"),
        (_post(terms={"deadline": "3d", "payment_type": "HOURLY_RATE", "cap": 40}), "bad_field"),
        *((_hourly(rate=rate), "bad_field") for rate in (0, -5, "1.5", "1e3", "NaN", "\u0661\u0662", "", "0.00")),
        *((_hourly(cap=cap), "bad_field") for cap in (0, -5, "1.5", 10_001, "NaN", "\u0661\u0662", "", 10**17)),
        (_hourly(rate=10**6), "above_maximum"),
        (_hourly(rate=10**15, cap=10_000), "bad_amount"),
        (_hourly(rate=1, cap=99), "below_minimum"),
        (_post(title=""), "bad_field"),
        (_post(title="x" * 201), "bad_field"),
        (_post(terms={}), "bad_deadline"),
        (_post(terms={"deadline": "2020-01-01"}), "bad_deadline"),
        (_post(terms={"deadline": "soon"}), "bad_deadline"),
        (_post(terms={"deadline": "-3d"}), "bad_deadline"),
        (_post(terms={"deadline": "300d"}), "does_not_fit"),
        (_post(terms={"deadline": "3d", "colour": "red"}), "unknown_term"),
        (_post(terms={"deadline": "3d", "review_window": "5"}), "bad_field"),
        (_post(extra=1), "bad_field"),
        (_post(v=2), "bad_field"),
        (_post(v="1"), "bad_field"),
        ('{"v":1}', "bad_field"),
        ('{"v":1,"action":"post"', "bad_json"),
        ('{"v":1,"v":1,"action":"help"}', "bad_json"),
        ('{"v":1,"action":"fly"}', "unknown_command"),
        ('{"a":' * 2000 + "1" + "}" * 2000, "bad_json"),
        ("[" * 5000 + "]" * 5000, "unknown_command"),
        ('{"v":1,"action":"help","topic":"\\ud800"}', "bad_field"),
    ],
)
async def test_bad_posts_and_bad_json(stage: Stage, message: str, code: str) -> None:
    async with stage.unchanged():
        letter = await stage.employer.ask(message)
        if message.startswith("{"):
            assert (letter.code, letter.said["ok"]) == (code, False), letter.text
        else:
            assert says(letter.text, Refused(code)), letter.text


@pytest.mark.parametrize(
    "name",
    ["custody_mode", "verification"],
)
async def test_terms_that_are_not_built_are_refused_by_name(stage: Stage, name: str) -> None:
    values: dict[str, list[Any]] = {
        "custody_mode": ["onchain_submarine", "direct"],
        "verification": ["auto"],
    }
    async with stage.unchanged():
        for value in values[name]:
            letter = await stage.employer.ask(_post(terms={"deadline": "3d", name: value}))
            assert (letter.code, name in letter.said["what"]) == ("not_built", True), letter.text
            event = await stage.employer.offer(terms={name: value})
            answer = await stage.employer.answer(event)
            assert says(answer.text, Refused.NOT_BUILT), answer.text
            assert name in answer.text.lower()


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"funding": "on_approval"}, "bad_field"),
        ({"funding": "on_approval", "order": "hire_first", "custody_mode": "ledger"}, "bad_field"),
        ({"funding": "on_approval", "payment_type": "HOURLY_RATE", "rate": 500, "cap": 100}, "bad_field"),
        ({"funding": "later", "order": "hire_first"}, "bad_field"),
    ],
)
async def test_payment_on_approval_with_what_does_not_go_with_it(
    stage: Stage, terms: dict[str, str], code: str
) -> None:
    async with stage.unchanged():
        letter = await stage.employer.ask(_post(terms={"deadline": "3d"} | terms))
        assert letter.code == code, letter.text


async def test_planned_and_unknown_commands(stage: Stage) -> None:
    async with stage.unchanged():
        for word in sorted(PLANNED):
            letter = await stage.worker.ask(f'{{"v":1,"action":"{word}"}}')
            assert (letter.code, word in letter.said["what"]) == ("not_built", True), letter.text
        near = await stage.worker.ask("aprove 7qk2m0x9t4h1h")
        assert "approve" in near.text
        assert says(near.text, Refused.UNKNOWN_COMMAND)
        for nonsense in (" ", "\u200b", "🙂", "drop table tasks;", "a" * 20_000, "\x00\x01"):
            assert says((await stage.worker.ask(nonsense)).text, Refused.UNKNOWN_COMMAND), nonsense


async def test_a_task_that_nobody_knows_is_named_as_it_was_written(stage: Stage) -> None:
    async with stage.unchanged():
        for written in ("nope", "OIL-7", "7qk2m0x9t4h1"):
            letter = await stage.worker.ask(f"status {written}")
            assert says(letter.text, Refused.UNKNOWN_TASK), letter.text
            assert f"“{written}”" in letter.text
            answer = await stage.worker.ask(f'{{"v":1,"action":"approve","task":" {written} "}}')
            assert (answer.code, answer.said["id"]) == ("unknown_task", written)


@pytest.mark.parametrize(
    ("tag", "value", "code"),
    [
        ("amount", "0", "bad_amount"),
        ("amount", "-1", "bad_amount"),
        ("amount", "1.5", "bad_amount"),
        ("amount", "1e9", "bad_amount"),
        ("amount", "fifty", "bad_amount"),
        ("amount", "", "bad_amount"),
        ("amount", "9" * 30, "bad_amount"),
        ("amount", "٥٠٠٠٠", "bad_amount"),
        ("amount", "50", "below_minimum"),
        ("amount", "2000000", "above_maximum"),
        ("currency", "EUR", "above_maximum"),
        ("currency", "XXX", "bad_amount"),
        ("currency", "", "bad_amount"),
        ("deadline", "1600000000", "bad_deadline"),
        ("deadline", "tomorrow", "bad_deadline"),
        ("deadline", "-5", "bad_deadline"),
        ("deadline", str(2**39), "does_not_fit"),
        ("title", "", "bad_field"),
        ("d", "one:two", "bad_tag"),
        ("d", "", "bad_tag"),
        ("d", "x" * 201, "bad_tag"),
        ("content", "{", "bad_json"),
        ("content", "[1]", "bad_json"),
        ("content", '{"d":' * 9 + "1" + "}" * 9, "bad_json"),
        ("content", '{"colour":"red"}', "unknown_term"),
        ("content", '{"max_rejects":0}', "bad_field"),
        ("content", '{"payment_type":"HOURLY_RATE","rate":12.5,"cap":40}', "bad_field"),
        ("content", '{"payment_type":"HOURLY_RATE","rate":"1250","cap":"40"}', "bad_field"),
        ("content", '{"payment_type":"HOURLY_RATE","rate":1250,"cap":41}', "bad_amount"),
        ("content", '{"payment_type":"HOURLY_RATE","rate":1250}', "bad_field"),
        ("content", '{"cap":40}', "bad_field"),
        ("created_at", str(int(time.time()) + 7200), "bad_created_at"),
    ],
)
async def test_bad_task_events(stage: Stage, tag: str, value: str, code: str) -> None:
    employer = stage.employer
    tags = {
        "d": secrets.token_hex(4), "p": employer.client.bot, "t": "holdfast-task", "title": "T", "amount": "50000",
        "deadline": str(int(time.time()) + 3 * DAY),
    }  # fmt: skip
    content, at = "", int(time.time())
    if tag == "content":
        content = value
    elif tag == "created_at":
        at = int(value)
    else:
        tags[tag] = value
    async with stage.unchanged():
        event = await employer.client.say(Unsigned(employer.signer.pubkey, at, TASK, tuple(tags.items()), content))
        answer = await employer.answer(event.id)
        assert says(answer.text, Refused(code)), answer.text


async def test_a_task_edited_or_posted_again_after_it_was_accepted(stage: Stage) -> None:
    """The pinned event stands. The same address never makes a second task, not even when the first one is over."""
    employer = stage.employer
    task = await employer.funded(d="pinned")
    edited = await employer.offer("Build two landing pages", 60_000, d="pinned")
    async with stage.unchanged(task):
        assert says((await employer.answer(edited)).text, Refused.ADDRESS_TAKEN)
    await employer.tell(Cancel(task=task))
    await employer.client.public.entry(task, state="Refunded")
    await employer.client.letter(lambda each: task in each.text and "ended" in each.text, "that it has ended")
    again = await employer.offer("Build it again", d="pinned")
    async with stage.unchanged(task):
        assert says((await employer.answer(again)).text, Refused.ADDRESS_TAKEN)


# Money


async def test_underpaid_overpaid_and_paid_in_dust(stage: Stage) -> None:
    """Nothing is kept that was not asked for; the employer is told, and the next invoice works."""
    employer = stage.employer
    task = await employer.drafted()
    await employer.tell(Fund(task=task))
    first = await employer.invoice_for(task)
    async with stage.unchanged(task):
        view = await employer.pay(first, amount_sat=50_000)
        assert view["status"] == "failed"
    wrong = await employer.client.letter(
        lambda each: task in each.text and "turned away" in each.text, "what was wrong"
    )
    assert "50,500" in wrong.text
    async with stage.unchanged(task):  # two parts of what the invoice asks for, one of which is missing
        await employer.pay(first, amount_sat=50_400)
    balance = await employer.balance()
    await employer.pay(first, amount_sat=50_600)
    await employer.client.public.entry(task, "funding.failed")
    await until(lambda: _is(employer, balance), "that what was too much is back")
    entries = await employer.client.public.log(task)
    assert (entries[-1].state, entries[-1].facts["reason"]) == ("Draft", "amount")
    second = await _next_invoice(employer, task, [first])
    await employer.pay(second, parts=[1000, 49_500])
    await employer.client.public.entry(task, "funding.failed", after=entries[-1].seq)
    await until(lambda: _is(employer, balance), "that the dust is back")
    assert (await employer.client.public.log(task))[-1].facts["reason"] == "small_parts"
    third = await _next_invoice(employer, task, [first, second])
    async with stage.unchanged(task):  # the invoices before it are dead
        for dead in (first, second):
            assert (await stage.mallory.pay(dead))["status"] == "failed"
    await employer.pay(third, parts=[20_000, 20_500, 10_000])
    await employer.client.public.entry(task, state="Funded")
    async with stage.unchanged(task):  # and so is this one for a second payment
        assert (await stage.mallory.pay(third))["status"] == "failed"
        assert (await employer.pay(third))["status"] == "in_flight"  # his wallet knows: it is the payment that he made
    assert await employer.refusal(Fund(task=task)) == "wrong_state"


async def _is(who: Person, balance: int) -> bool:
    return await who.balance() == balance


async def _next_invoice(employer: Person, task: str, before: Sequence[str]) -> str:
    await employer.tell(Fund(task=task))
    fresh = await employer.client.letter(
        lambda each: bool(each.invoice) and task in each.text and each.invoice not in before, "a new invoice"
    )
    return fresh.invoice


async def test_too_many_quotes(stage: Stage) -> None:
    employer = stage.employer
    task, seen = await employer.drafted(), list[str]()
    for _ in range(3):
        seen.append(await _next_invoice(employer, task, seen))
        await employer.pay(seen[-1], amount_sat=50_501)
        await until(lambda: _failed(employer, task, len(seen)), "that the payment is refused")
    async with stage.unchanged(task):
        assert await employer.refusal(Fund(task=task)) == "too_many_quotes"


async def _failed(who: Person, task: str, times: int) -> bool:
    return [each.type for each in await who.client.public.log(task)].count("funding.failed") == times


async def test_two_claims_in_the_same_moment(stage: Stage) -> None:
    """Exactly one wins, three times over; the other is told who came first."""
    for _ in range(3):
        task = await stage.employer.funded()
        claims = [Claim(task=task, destination=await who.make_invoice()) for who in (stage.worker, stage.mallory)]
        both = (stage.worker.ask(claims[0], form="json"), stage.mallory.ask(claims[1], form="json"))
        codes = sorted(each.code for each in await asyncio.gather(*both))
        assert codes == ["claimed", "taken"]
        await stage.employer.client.public.entry(task, "task.claimed")
        entries = await stage.employer.client.public.published(task)
        assert [each.type for each in entries].count("task.claimed") == 1


async def test_payout_invoices(stage: Stage) -> None:
    """Each one that cannot be paid later is refused now, at the claim and as a replacement."""
    worker, employer = stage.worker, stage.employer
    paid = await employer.funded()
    used = await worker.make_invoice()
    await worker.tell(Claim(task=paid, destination=used))
    await employer.client.public.entry(paid, state="Claimed")
    await worker.delivers(paid)
    await employer.approves(paid)

    dear = await employer.drafted(sat=49_504)  # with its fee budget that is a hold of 50,000 sat
    await employer.tell(Fund(task=dear))
    hold_invoice = await employer.invoice_for(dear)

    key, now = secrets.token_bytes(32), int(time.time())
    good = Bolt11(
        hrp="lnplay",
        timestamp=now,
        payment_hash=PaymentHash(secrets.token_hex(32)),
        payment_secret=Secret(secrets.token_hex(32)),
        amount=Msat(50_000_000),
        description="pay me",
        expiry=30 * DAY,
        final_cltv=80,
    )
    node = signing_key(read_keys(stage.place.data / "simnet.key")[0], "@node")
    changed = dataclasses.replace
    text = encode(good, key)
    cases = [
        ("bad_invoice", encode(changed(good, timestamp=now - 40 * DAY), key)),  # expired
        ("bad_invoice", encode(changed(good, expiry=3600), key)),  # too early
        ("bad_invoice", encode(changed(good, hrp="lnbc"), key)),
        ("bad_invoice", encode(changed(good, final_cltv=500), key)),
        ("bad_invoice", hold_invoice),
        ("bad_invoice", text[:-1] + ("q" if text[-1] != "q" else "p")),
        ("bad_invoice", text[:60]),
        ("bad_invoice", "lnplay"),
        ("bad_invoice", "x" * 4000),
        ("amount_mismatch", encode(changed(good, amount=Msat(50_000_001)), key)),
        ("amount_mismatch", encode(changed(good, amount=None), key)),
        ("own_node", encode(good, node)),
        ("hash_used", used),
        ("not_built", "worker@example.org"),
        ("not_built", "lnurl1dp68gurn8ghj7"),
        ("not_built", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
    ]
    task = await employer.funded()
    async with stage.unchanged(task):
        for code, invoice in cases:
            assert await worker.refusal(Claim(task=task, destination=invoice)) == code, invoice
    await worker.claims(task, destination=False)
    async with stage.unchanged(task):
        for code, invoice in cases:
            assert await worker.refusal(Payout(task=task, destination=invoice)) == code, invoice
        signed = await worker.client.say(
            Unsigned(
                worker.signer.pubkey, now, RECORD, _tags(worker, task, await stage.entry(task, "task.claimed")),
                _json(Payout(task=task, destination=text)),
            )
        )  # fmt: skip
        assert (await worker.answer(signed.id)).code == "bad_usage", "an invoice does not belong into a public event"


# Proofs


async def test_bad_proofs(stage: Stage) -> None:
    employer, worker, mallory = stage.employer, stage.worker, stage.mallory
    task = await employer.funded()
    await worker.claims(task)
    created = await worker.client.public.first(task, "submit")
    fitting = {
        "d": "proof", "a": created.event.tag("a") or "", "e": created.event.tag("e") or "", "p": worker.client.bot,
        "url": URL, "x": WORK, "m": "text/html",
    }  # fmt: skip
    cases: list[tuple[Person, dict[str, str], Refused]] = [
        (mallory, {}, Refused.NOT_YOUR_TASK),
        (employer, {}, Refused.NOT_YOUR_TASK),
        (worker, {"x": ""}, Refused.BAD_HASH),
        (worker, {"x": "xyz"}, Refused.BAD_HASH),
        (worker, {"x": WORK[:63]}, Refused.BAD_HASH),
        (worker, {"url": ""}, Refused.BAD_URL),
        (worker, {"url": "file:///etc/passwd"}, Refused.BAD_URL),
        (worker, {"url": "https://example.org/a b"}, Refused.BAD_URL),
        (worker, {"m": "no mime"}, Refused.BAD_FIELD),
        (worker, {"e": "ab" * 32}, Refused.UNKNOWN_TASK),
        (worker, {"a": f"30078:{mallory.pubkey}:x"}, Refused.UNKNOWN_TASK),
    ]
    async with stage.unchanged(task):
        for who, changes, code in cases:
            tags = tuple((name, value) for name, value in (fitting | changes).items() if value)
            event = await who.client.say(Unsigned(who.signer.pubkey, int(time.time()), PROOF, tags, "notes"))
            answer = await who.answer(event.id)
            assert says(answer.text, code), (changes, answer.text)
        assert await worker.refusal(f'{{"v":1,"action":"submit","task":"{task}","url":"{URL}"}}') == "bad_hash"
        assert (
            await worker.refusal(f'{{"v":1,"action":"submit","task":"{task}","url":"{URL}","sha256":"12"}}')
            == "bad_hash"
        )
    other = await employer.funded()
    async with stage.unchanged(task, other):
        assert await worker.refusal(Submit(task=other, url=URL, sha256=WORK)) == "not_your_task"


async def test_bad_hours(stage: Stage) -> None:
    employer, worker = stage.employer, stage.worker
    task = await employer.funded(terms={"payment_type": "HOURLY_RATE", "rate": 1250, "cap": 40})
    await worker.claims(task)
    created = await worker.client.public.first(task, "submit")
    fitting = {
        "d": "proof", "a": created.event.tag("a") or "", "e": created.event.tag("e") or "", "p": worker.client.bot,
        "url": URL, "x": WORK,
    }  # fmt: skip
    bad = ("0", "-1", "NaN", "1e3", "40.01", "12.345", "\u0661\u0662", "\u00bd", "12,5", "9" * 300, "0.00")

    def said(action: str, hours: str, **more: str) -> str:
        """`hours` as it stands in JSON."""
        words = json.dumps({"v": 1, "action": action, "task": task, **more})
        return f'{words[:-1]}, "hours": {hours}}}'

    async with stage.unchanged(task):
        assert await worker.refusal(Submit(task=task, url=URL, sha256=WORK)) == "hours_needed"
        for hours in bad:
            written = json.dumps(hours)
            assert await worker.refusal(said("hours", written)) == "bad_hours", hours
            assert await worker.refusal(said("submit", written, url=URL, sha256=WORK)) == "bad_hours", hours
            letter = await worker.ask(f"hours {task} {hours}")
            assert says(letter.text, Refused.BAD_HOURS), letter.text
            tags = (*fitting.items(), ("hours", hours))
            event = await worker.client.say(Unsigned(worker.signer.pubkey, int(time.time()), PROOF, tags, "notes"))
            answer = await worker.answer(event.id)
            assert says(answer.text, Refused.BAD_HOURS), answer.text
        for value in ("12.5", "true", "null", "[1]", '""', "-1", "0", "1" * 300):
            assert await worker.refusal(said("hours", value)) == "bad_hours", value
        assert await worker.refusal(said("hours", "NaN")) == "bad_json"
        for who in (employer, stage.mallory):
            assert await who.refusal(said("hours", "5")) == "not_your_task"
        answer = await worker.answer(await worker.decide(HoursWorked(task=task, hours="5")))
        assert answer.code in ("bad_usage", ""), answer.text
    task = await employer.funded()
    await worker.claims(task)
    async with stage.unchanged(task):
        assert await worker.refusal(said("hours", "5")) == "not_hourly"
        assert await worker.refusal(said("submit", "5", url=URL, sha256=WORK)) == "not_hourly"


async def test_too_many_proofs(stage: Stage) -> None:
    task = await stage.delivered()
    for _ in range(2):
        await stage.worker.delivers(task)
    async with stage.unchanged(task):
        assert await stage.worker.refusal(Submit(task=task, url=URL, sha256=WORK)) == "too_many_proofs"


# Time, size, form


@pytest.mark.parametrize("offset", [3600, -72 * 3600, -(10**9)])
async def test_future_and_ancient_messages(stage: Stage, offset: int) -> None:
    employer = stage.employer
    task = await stage.delivered()
    at, bot = int(time.time()) + offset, employer.client.bot
    async with stage.unchanged(task):
        rumor = Unsigned(employer.signer.pubkey, at, DM_RUMOR, (("p", bot),), _json(Approve(task=task)))
        await employer.client.send(await employer.signer.wrap(bot, rumor))
        assert (await employer.answer(rumor.id)).code == "bad_created_at"
        sealed = await employer.signer.nip04_encrypt(bot, _json(Approve(task=task)))
        old = await employer.client.say(Unsigned(employer.signer.pubkey, at, DM_NIP04, (("p", bot),), sealed))
        created = await stage.worker.client.public.first(task, "submit")
        names = (
            ("a", created.event.tag("a") or ""),
            ("e", created.event.tag("e") or ""),
            ("p", bot),
            ("p", employer.pubkey),
        )
        proves = (("d", "late"), *names, ("url", URL), ("x", WORK))
        proof = await stage.worker.signer.sign(Unsigned(stage.worker.signer.pubkey, at, PROOF, proves, "again"))
        await stage.throw(proof.as_dict())
        tags = _tags(employer, task, await stage.entry(task, "proof.submitted"))
        decision = await employer.signer.sign(
            Unsigned(employer.signer.pubkey, at, RECORD, tags, _json(Approve(task=task)))
        )
        await stage.relay.push(decision)
        await stage.throw(decision.as_dict())
        said = ((employer, old), (stage.worker, proof), (employer, decision))
        if offset > 0:
            for who, event in said:
                answer = await who.answer(event.id)
                assert answer.code == "bad_created_at" or says(answer.text, Refused.BAD_CREATED_AT)
    if offset < 0:  # older than what is asked of relays: not even looked at
        for who, event in said:
            assert [each for each in who.client.letters() if each.reply_to == event.id] == []


async def test_giants_and_broken_frames(stage: Stage) -> None:
    """1 MB of content, deep JSON, bytes that are no UTF-8, frames of no sense: dropped, and the line is there afterwards."""
    task = await stage.delivered()
    employer, bot = stage.employer, stage.employer.client.bot
    now = int(time.time())
    offer = _offer(bot, "giant")
    many = tuple(("x", str(number)) for number in range(5000))
    async with stage.silence(task):
        for kind in (TASK, PROOF, RECORD, DM_WRAP, DM_RUMOR, DM_NIP04):
            tags = (*offer, ("t", "holdfast-decision")) if kind == RECORD else offer
            for content, more in (("x" * 1_000_000, ()), ("[" * 65_537, ()), ("", many), ("", (("x", "x" * 4096),))):
                await stage.throw(_by_mallory(now, kind, (*tags, *more), content))
        await stage.shout(b'["EVENT","work-1",' + b"[" * 100_000, text=True)
        await stage.shout(b"", text=True)
        await stage.shout(b"null", text=True)
        await stage.shout(b'["EVENT"]', text=True)
        await stage.shout(b'{"EVENT":1}', text=True)
        await stage.shout(b"\x00\xff\xfe", text=False)
        odd = (await employer.signed(Approve(task=task))).as_dict()
        for change in (
            {"created_at": -1},
            {"created_at": 1e30},
            {"kind": "78"},
            {"tags": "none"},
            {"tags": [[1]]},
            {"content": None},
        ):
            await stage.throw(odd | change)
        await stage.throw(odd | {"content": "\ud800"})
    async with stage.unchanged(task):  # small enough to be read, too large for the log: that is said
        long = await employer.client.say(Unsigned(employer.signer.pubkey, now, TASK, offer, " " * 30_000))
        assert says((await employer.answer(long.id)).text, Refused.TOO_LONG)
    small = _by_mallory(now, TASK, offer, "")  # what was thrown would have been taken, had it been small
    await stage.throw(small)
    await stage.mallory.client.public.card(task_id(EventId(small["id"])), "Draft")
    before = stage.relay.connects
    async with stage.silence(task):
        await stage.shout(b'["NOTICE","\xff\xfe\xfa"]', text=True)
    async with stage.unchanged(task):
        feedback = _json(Approve(task=task)).replace("}", f',"feedback":"{"x" * 5000}"}}')
        assert await employer.refusal(feedback) == "bad_field"
    snapshot = await stage.snapshot([task])
    await stage.shout(
        b'["NOTICE","' + b"x" * 2_000_000 + b'"]', text=True
    )  # longer than any message may be: the line is cut
    await until(lambda: stage.relay.connects > before, "that they connect again")
    await until(lambda: _answered(stage.people), "that all are back")
    assert await stage.snapshot([task]) == snapshot


def _by_mallory(at: int, kind: int, tags: tuple[tuple[str, ...], ...], content: str) -> dict[str, Any]:
    """A genuine event of hers, as no client of ours would make it."""
    keys = nostr_sdk.Keys.parse(MALLORY.reveal())
    said = Unsigned(Pubkey(keys.public_key().to_hex()), at, kind, tags, content)
    return said.as_dict() | {"sig": str(keys.sign_schnorr(bytes.fromhex(said.id)))}


async def _answered(people: Sequence[Person]) -> bool:
    with suppress(Away, Waited):
        return all([await who.answer(await who.tell("help"), 2.0) for who in people])
    return False


# Floods


async def test_who_talks_too_much_is_told_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    limits = LimitSettings(messages_a_minute=5)
    relay = FakeRelay()
    async with (
        relay.running() as url,
        house(tmp_path_factory.mktemp("flood") / "data", [url], limits=limits) as place,
        person("loud", place) as loud,
        person("calm", place) as calm,
    ):
        for _ in range(5):
            assert (await loud.ask("tasks", form="json")).text
        assert await loud.refusal('{"v":1,"action":"tasks"}') == "rate_limited"
        for _ in range(5):
            await loud.tell('{"v":1,"action":"tasks"}')
        assert (await calm.ask("tasks")).text, "nobody else notices"
        assert len(loud.client.letters()) == 6


async def test_strangers_are_asked_for_work(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A message without it is refused with what it takes; one with it is answered."""
    relay = FakeRelay()
    async with (
        relay.running() as url,
        house(tmp_path_factory.mktemp("work") / "data", [url], limits=LimitSettings(stranger_bits=8)) as place,
        person("stranger", place) as stranger,
    ):
        bot = stranger.client.bot
        lazy = await _mined(stranger.signer, bot, '{"v":1,"action":"tasks"}', worked=False)
        await stranger.client.send(lazy)
        refused = await stranger.answer(lazy.id)
        assert (refused.code, refused.said["bits"]) == ("needs_work", 8)
        diligent = await _mined(stranger.signer, bot, '{"v":1,"action":"tasks"}', worked=True)
        await stranger.client.send(diligent)
        assert (await stranger.answer(diligent.id)).code == "tasks"


async def _mined(signer: KeySigner, bot: str, text: str, worked: bool) -> Event:
    """A direct message with 8 bits of work, or surely without."""
    sealed = await signer.encrypt44(bot, text)  # type: ignore[arg-type]
    for nonce in range(100_000):
        tags = (("p", bot), ("nonce", str(nonce), "8"))
        unsigned = Unsigned(signer.pubkey, int(time.time()), DM_RUMOR, tags, sealed)
        if unsigned.id.startswith("00") is worked:
            return await signer.sign(unsigned)
    raise AssertionError("no luck in a hundred thousand tries")
