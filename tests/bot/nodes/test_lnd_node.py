"""The adapter against an LND of our own words: what proves something, what proves nothing, and what is never sent."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
import structlog

from bot.nodes.lnd import LndNode, Rest, wire
from bot.nodes.lnd.shared import Shared
from bot.nodes.preimages import Preimages
from kinds import bolt11
from kinds.lightning import Fault, HoldRef, HoldSpec, HoldStatus, PaymentStatus, PaySpec
from kinds.units import Msat, PaymentHash, Secret, sats
from tests.bot.nodes.test_lnd_wire import ACCEPTED, INFO, OPEN_CHANNEL, PAYMENT, PENDING

OLD, NEW = b"\x01" * 32, b"\x02" * 32
MACAROON = Secret("c0ffee" * 8)
SPEC = HoldSpec("task/h1", sats(10_000), expiry=3600, cltv=200, memo="Holdfast task")
ABSENT = {"code": 5, "message": "unable to locate invoice", "details": []}
NEVER = {"error": {"code": 5, "message": "payment isn't initiated", "details": []}}
Answer = Callable[[httpx.Request], httpx.Response] | dict[str, Any] | Exception


class Mouth(httpx.AsyncByteStream):
    """A stream that says these lines, and then stays open until it is told to break off."""

    def __init__(self, *lines: dict[str, Any], waits: asyncio.Event | None = None) -> None:
        self._lines, self._waits = lines, waits
        self.broken = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._waits is not None:
            await self._waits.wait()
        for line in self._lines:
            yield json.dumps({"result": line}).encode() + b"\n"
        await self.broken.wait()
        raise httpx.ReadError("broken")


class FakeLnd:
    """Answers by the beginning of the path; what it was asked is kept."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Answer] = {
            "/v1/getinfo": INFO,
            "/v1/channels": {"channels": [OPEN_CHANNEL]},
            "/v2/invoices/lookup": ABSENT,
            "/v2/router/track": NEVER,
            "/v1/graph/routes": {"code": 2, "message": "unable to find a path to destination", "details": []},
        }

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append((path, json.loads(request.content) if request.content else {}))
        found = next((answer for start, answer in self.answers.items() if path.startswith(start)), None)
        if isinstance(found, Exception):
            raise found
        if found is None:
            return httpx.Response(404, json={"code": 5, "message": "Not Found", "details": []})
        return httpx.Response(200, json=found) if isinstance(found, dict) else found(request)

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def sent(self) -> list[dict[str, Any]]:
        return [body for path, body in self.asked if path == "/v2/router/send"]


@pytest.fixture
def lnd() -> FakeLnd:
    return FakeLnd()


@pytest.fixture
async def node(lnd: FakeLnd) -> AsyncIterator[LndNode]:
    made = LndNode(Rest("https://lnd", b"", MACAROON, httpx.MockTransport(lnd)), Preimages((NEW, OLD)))
    yield made
    await made.aclose()


def hold_row(payment_hash: PaymentHash, state: str = "ACCEPTED") -> dict[str, Any]:
    htlcs = [] if state == "OPEN" else ACCEPTED["htlcs"]
    return ACCEPTED | {"r_hash": wire.in_body(payment_hash), "state": state, "htlcs": htlcs}


def bill(amount: Msat | None = sats(9_900), key: bytes = b"\x07" * 32, **more: Any) -> str:
    unsigned = bolt11.Bolt11(
        hrp=more.pop("hrp", "lnbcrt"),
        timestamp=1_900_000_000,
        payment_hash=PaymentHash(secrets.token_hex(32)),
        payment_secret=Secret(secrets.token_hex(32)),
        amount=amount,
        description="work",
        final_cltv=80,
        **more,
    )
    return bolt11.encode(unsigned, key)


def pay_spec(text: str, **more: Any) -> PaySpec:
    payment_hash = bolt11.decode(text).payment_hash
    return replace(PaySpec("task/p1", payment_hash, Secret(text), sats(9_900), sats(10), 288, 5), **more)


def stream(*lines: dict[str, Any]) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: httpx.Response(200, content=b"".join(json.dumps(line).encode() + b"\n" for line in lines))


def result(spec: PaySpec, **more: Any) -> dict[str, Any]:
    return {"result": PAYMENT | {"payment_hash": spec.payment_hash, "payment_request": spec.invoice.reveal()} | more}


# Holds


async def test_what_a_hold_is_made_of(lnd: FakeLnd, node: LndNode) -> None:
    made = await node.make_hold(SPEC)
    assert made.status is HoldStatus.UNKNOWN  # this LND makes none
    body = next(body for path, body in lnd.asked if path == "/v2/invoices/hodl")
    assert body == {
        "memo": "Holdfast task", "hash": wire.in_body(Preimages((NEW,)).hash_for("task/h1")), "value_msat": "10000000",
        "expiry": "3600", "cltv_expiry": "200", "private": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    "change", [{"cltv": 20}, {"cltv": 2007}, {"cltv": 3000}, {"expiry": 31_536_001}, {"amount": 0}]
)
async def test_limits_are_our_own(lnd: FakeLnd, node: LndNode, change: dict[str, Any]) -> None:
    """LND takes a cltv of 3000 without a word, and no payer pays it."""
    assert (await node.make_hold(replace(SPEC, **change))).status is HoldStatus.UNKNOWN
    assert lnd.asked == []


async def test_after_a_rotation_a_hold_is_not_made_a_second_time(lnd: FakeLnd, node: LndNode) -> None:
    old = Preimages((OLD,)).hash_for("task/h1")

    def lookup(request: httpx.Request) -> httpx.Response:
        named = request.url.params["payment_hash"]
        return httpx.Response(200, json=hold_row(old) if named == wire.in_path(old) else ABSENT)

    lnd.answers["/v2/invoices/lookup"] = lookup
    view = await node.make_hold(SPEC)
    assert (view.payment_hash, view.status) == (old, HoldStatus.HELD)
    assert "/v2/invoices/hodl" not in lnd.paths()
    lnd.answers["/v2/invoices/lookup"] = httpx.ReadTimeout("")
    assert (await node.make_hold(SPEC)).status is HoldStatus.UNKNOWN
    assert "/v2/invoices/hodl" not in lnd.paths()


@pytest.mark.parametrize(
    "answer",
    [
        {"code": 5, "message": "Not Found", "details": []},  # this LND lacks the interface
        {"code": 2, "message": "the RPC server is in the process of starting up", "details": []},
        {"code": 2, "message": "permission denied", "details": []},
        {"something": "else"},
        httpx.ConnectError(""),
    ],
)
async def test_only_lnds_own_words_say_that_there_is_no_such_hold(lnd: FakeLnd, node: LndNode, answer: Answer) -> None:
    hold = HoldRef("task/h1", Preimages((NEW,)).hash_for("task/h1"))
    assert (await node.hold(hold)).status is HoldStatus.ABSENT
    lnd.answers["/v2/invoices/lookup"] = answer
    for ask in (node.hold, node.settle, node.cancel):
        assert (await ask(hold)).status is HoldStatus.UNKNOWN


async def test_a_hold_is_not_shown_as_held_without_its_channels(lnd: FakeLnd, node: LndNode) -> None:
    hold = HoldRef("task/h1", Preimages((NEW,)).hash_for("task/h1"))
    lnd.answers["/v2/invoices/lookup"] = hold_row(hold.payment_hash)
    assert [part.on_channel for part in (await node.hold(hold)).parts] == [False]
    there = PENDING | {"hash_lock": wire.in_body(hold.payment_hash)}
    lnd.answers["/v1/channels"] = {"channels": [OPEN_CHANNEL | {"pending_htlcs": [there]}]}
    assert [part.on_channel for part in (await node.hold(hold)).parts] == [True]
    lnd.answers["/v1/channels"] = httpx.ReadTimeout("")
    assert (await node.hold(hold)).status is HoldStatus.UNKNOWN


async def test_a_hold_that_no_key_can_settle_is_unknown_and_the_operator_is_told(lnd: FakeLnd, node: LndNode) -> None:
    """A payout that rests on it would be lost: so it looks as if nothing were known, until the key file is restored."""
    hold = HoldRef("task/h1", Preimages((b"\x09" * 32,)).hash_for("task/h1"))
    lnd.answers["/v2/invoices/lookup"] = hold_row(hold.payment_hash)
    with structlog.testing.capture_logs() as logs:
        assert (await node.hold(hold)).status is HoldStatus.UNKNOWN
        assert (await node.settle(hold)).status is HoldStatus.UNKNOWN
    assert "restore the file" in logs[0]["event"]
    assert "/v2/invoices/settle" not in lnd.paths()
    lnd.answers["/v2/invoices/lookup"] = hold_row(hold.payment_hash, "CANCELED")
    assert (await node.cancel(hold)).status is HoldStatus.CANCELLED


# Payouts


@pytest.mark.parametrize("answer", [httpx.ReadTimeout(""), {"code": 5, "message": "Not Found"}, {"a": 1}])
async def test_nothing_is_sent_by_who_cannot_look(lnd: FakeLnd, node: LndNode, answer: Answer) -> None:
    spec = pay_spec(bill())
    lnd.answers["/v2/router/track"] = answer
    assert (await node.pay(spec)).status is PaymentStatus.UNKNOWN
    assert lnd.sent() == []


@pytest.mark.parametrize("away", ["/v1/getinfo", "/v1/channels"])
async def test_nothing_is_sent_by_a_node_that_is_not_well(lnd: FakeLnd, node: LndNode, away: str) -> None:
    """And that is certain: nobody has to wait until it might arrive."""
    lnd.answers[away] = httpx.ConnectError("")
    view = await node.pay(pay_spec(bill()))
    assert (view.status, view.reason, view.fault) == (PaymentStatus.FAILED, "node_away", Fault.OURS)
    assert lnd.sent() == []


@pytest.mark.parametrize("status", ["IN_FLIGHT", "INITIATED", "SUCCEEDED"])
async def test_nothing_is_sent_again(lnd: FakeLnd, node: LndNode, status: str) -> None:
    spec = pay_spec(bill())
    lnd.answers["/v2/router/track"] = stream(result(spec, status=status))
    assert (await node.pay(spec)).status in (PaymentStatus.IN_FLIGHT, PaymentStatus.COMPLETE)
    assert lnd.sent() == []


@pytest.mark.parametrize(
    ("invoice", "change", "reason"),
    [
        (bill(hrp="lnbc"), {}, "bad_invoice"),
        (bill(), {"payment_hash": PaymentHash("ab" * 32)}, "bad_invoice"),
        (bill(), {"amount": sats(9_901)}, "wrong_amount"),
        (bill(None), {"amount": Msat(0)}, "wrong_amount"),
        (bill(), {"cltv_limit": 0}, "cltv_limit"),  # LND would take it for no limit at all
        (bill(), {"fee_limit": Msat(-1)}, "fee_limit"),
        (bill(sats(9_000_000)), {"amount": sats(9_000_000)}, "no_balance"),
        (bill(), {"invoice": Secret("lnbcrt1junk")}, "bad_invoice"),
    ],
)
async def test_what_is_not_even_asked(
    lnd: FakeLnd, node: LndNode, invoice: str, change: dict[str, Any], reason: str
) -> None:
    view = await node.pay(pay_spec(invoice, **change))
    assert (view.status, view.reason, view.fault) == (PaymentStatus.FAILED, reason, Fault.OURS)
    assert lnd.sent() == []


async def test_what_lnd_is_asked(lnd: FakeLnd, node: LndNode) -> None:
    spec, anything = pay_spec(bill()), pay_spec(bill(None))
    for each in (spec, anything):
        lnd.answers["/v2/router/send"] = stream(
            result(each), result(each, status="SUCCEEDED", payment_preimage="ab" * 32)
        )
        assert (await node.pay(each)).status is PaymentStatus.COMPLETE
    first, second = lnd.sent()
    assert first == {
        "payment_request": spec.invoice.reveal(), "fee_limit_msat": "10000", "cltv_limit": 288, "timeout_seconds": 5,
        "no_inflight_updates": False,
    }  # fmt: skip
    assert second["amt_msat"] == "9900000"


@pytest.mark.parametrize("answer", [httpx.ReadTimeout(""), httpx.ConnectError(""), {"a": 1}, stream()])
async def test_a_send_without_an_answer_may_still_arrive(lnd: FakeLnd, node: LndNode, answer: Answer) -> None:
    """Even when LND knows nothing of it yet, or only of an attempt before."""
    spec = pay_spec(bill())
    lnd.answers["/v2/router/send"] = answer
    assert (await node.pay(spec)).status is PaymentStatus.UNKNOWN
    lnd.answers["/v2/router/track"] = stream(result(spec, status="FAILED"))
    assert (await node.pay(spec)).status is PaymentStatus.UNKNOWN


@pytest.mark.parametrize("message", ["router rpc server shutting down", "payment is in transition", "a new sentence"])
async def test_a_refusal_in_other_words_proves_nothing(lnd: FakeLnd, node: LndNode, message: str) -> None:
    spec = pay_spec(bill())

    def refuse(_: httpx.Request) -> httpx.Response:
        lnd.answers["/v2/router/track"] = stream(result(spec))  # it had begun
        return httpx.Response(500, json={"error": {"code": 2, "message": message, "details": []}})

    lnd.answers["/v2/router/send"] = refuse
    assert (await node.pay(spec)).status is PaymentStatus.IN_FLIGHT


async def test_a_payee_who_takes_his_time(lnd: FakeLnd, node: LndNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call returns, and LND goes on."""
    monkeypatch.setattr("bot.nodes.lnd.payouts._ANSWER", 0.05)
    spec = pay_spec(bill())
    mouth = Mouth(result(spec)["result"])
    lnd.answers["/v2/router/send"] = lambda _: httpx.Response(200, stream=mouth)
    assert (await node.pay(spec)).status is PaymentStatus.IN_FLIGHT


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, Fault.THEIRS),
        ({"/v1/graph/routes": {"routes": [{}]}}, Fault.OURS),  # there is one, beyond our limits
        ({"/v1/graph/routes": {"code": 2, "message": "insufficient local balance"}}, Fault.OURS),
        ({"/v1/graph/routes": httpx.ReadTimeout("")}, Fault.OURS),
        ({"/v1/getinfo": INFO | {"synced_to_chain": False}}, Fault.OURS),
        ({"/v1/getinfo": httpx.ReadTimeout("")}, Fault.OURS),
        ({"/v1/channels": {"channels": [OPEN_CHANNEL | {"active": False}]}}, Fault.OURS),
    ],
)
async def test_whose_trouble_no_route_is(lnd: FakeLnd, node: LndNode, changes: dict[str, Answer], fault: Fault) -> None:
    """Theirs only if there is none at any fee while our side is well."""
    hop = bolt11.Hop("02" + "ab" * 32, "508x1x0", Msat(1), 10, 40)
    spec = pay_spec(bill(route_hints=((hop,),)))
    failed = result(spec, status="FAILED", failure_reason="FAILURE_REASON_NO_ROUTE")
    lnd.answers["/v2/router/track"] = stream(failed)
    lnd.answers |= changes
    view = await node.payment(spec.payment_hash)
    assert (view.status, view.reason, view.fault) == (PaymentStatus.FAILED, "no_route", fault)
    for path, body in lnd.asked:
        if path.startswith("/v1/graph/routes"):
            assert path.split("/")[4] == bolt11.decode(spec.invoice.reveal()).payee
            assert body["route_hints"][0]["hop_hints"][0]["chan_id"] == str(508 << 40 | 1 << 16)


async def test_no_secret_is_logged(lnd: FakeLnd, node: LndNode) -> None:
    spec = pay_spec(bill())
    with structlog.testing.capture_logs() as logs:
        for answer in ({"code": 2, "message": "no"}, httpx.ConnectError("x")):
            lnd.answers = dict.fromkeys(("/v1", "/v2"), answer)
            await node.make_hold(SPEC)
            await node.settle(HoldRef("task/h1", Preimages((NEW,)).hash_for("task/h1")))
            await node.pay(spec)
            await node.facts()
    said = repr(logs)
    preimage = Preimages((NEW,)).find(HoldRef("task/h1", Preimages((NEW,)).hash_for("task/h1")))
    assert preimage is not None
    assert logs
    for secret in (MACAROON, spec.invoice, preimage):
        assert secret.reveal() not in said


# Hints


async def test_a_hint_comes_even_if_the_stream_was_broken(
    lnd: FakeLnd, node: LndNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.nodes.lnd.ears._FIRST", 0.01)
    payment_hash = Preimages((NEW,)).hash_for("task/h1")
    mouths = [Mouth(hold_row(payment_hash, "OPEN")), Mouth(hold_row(payment_hash))]
    streams = iter(mouths)
    lnd.answers["/v2/invoices/subscribe"] = lambda _: httpx.Response(200, stream=next(streams))
    lnd.answers["/v2/invoices/lookup"] = hold_row(payment_hash, "OPEN")
    lnd.answers["/v2/router/payments"] = lambda _: httpx.Response(200, stream=Mouth())
    hints = node.hints()
    for _ in range(3):  # however often it is looked at, it has one stream
        assert (await node.hold(HoldRef("task/h1", payment_hash))).status is HoldStatus.OPEN
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(hints), 0.05)
    mouths[0].broken.set()
    assert await asyncio.wait_for(anext(hints), 5) == payment_hash
    assert lnd.paths().count(f"/v2/invoices/subscribe/{wire.in_path(payment_hash)}") == 2


async def test_streams_of_hints_end_when_lnd_was_away(
    lnd: FakeLnd, node: LndNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opens a new one looks at everything; but not before LND answers again."""
    monkeypatch.setattr("bot.nodes.lnd.ears._FIRST", 0.01)
    speak = asyncio.Event()
    mouths = [Mouth({"payment_hash": "ab" * 32}), Mouth({"payment_hash": "cd" * 32}, waits=speak)]
    streams = iter(mouths)
    lnd.answers["/v2/router/payments"] = lambda _: httpx.Response(200, stream=next(streams))
    hints = node.hints()
    assert await asyncio.wait_for(anext(hints), 5) == "ab" * 32
    lnd.answers["/v1/getinfo"] = httpx.ConnectError("")
    mouths[0].broken.set()
    waiting = asyncio.ensure_future(anext(hints, None))
    await asyncio.wait([waiting], timeout=0.1)
    assert not waiting.done()
    lnd.answers["/v1/getinfo"] = INFO
    assert await asyncio.wait_for(waiting, 5) is None
    again = node.hints()
    speak.set()
    assert await asyncio.wait_for(anext(again), 5) == "cd" * 32


async def test_many_share_an_answer_but_nobody_gets_one_older_than_his_question() -> None:
    asked, gates = 0, [asyncio.Event() for _ in range(3)]

    async def ask() -> int:
        nonlocal asked
        asked += 1
        mine = asked
        await gates[mine - 1].wait()
        return mine

    shared = Shared(ask)
    first = [asyncio.ensure_future(shared()) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert asked == 1
    late = [asyncio.ensure_future(shared()) for _ in range(3)]
    late[0].cancel()
    await asyncio.sleep(0)
    assert asked == 1
    gates[0].set()
    assert await asyncio.gather(*first) == [1, 1, 1]
    gates[1].set()
    assert await asyncio.gather(*late[1:]) == [2, 2]
    gates[2].set()
    assert (await shared(), asked) == (3, 3)


# What the doctor is told


BAKED = Secret(
    "0201036c6e640256030a106a47628dc459531dcf780fd2ce4f72931201301a0c0a04696e666f1204726561641a170a08696e766f69636573120472656164"
    "120577726974651a170a086f6666636861696e12047265616412057772697465000006208cb61dbfa094177d0487699fb8195674b34e2cc965bfe2e573e0"
    "5671510bb3e4"
)  # of a throw-away node


@pytest.mark.parametrize(
    ("change", "grades", "words"),
    [
        (lambda raw: raw, ["good", "good"], "nothing else"),
        (lambda raw: raw.replace(b"\x04info", b"\x04onfo"), ["good", "risk", "note"], "lncli bakemacaroon"),
        (lambda raw: b"macaroon", ["good", "note"], "cannot be read"),
    ],
)
async def test_too_little_and_too_much_in_a_macaroon(
    lnd: FakeLnd, change: Callable[[bytes], bytes], grades: list[str], words: str
) -> None:
    macaroon = Secret(change(bytes.fromhex(BAKED.reveal())).hex())
    node = LndNode(Rest("https://lnd", b"", macaroon, httpx.MockTransport(lnd)), Preimages((NEW,)))
    found = await node.examine()
    assert [each.grade for each in found] == grades
    assert words in " ".join(each.what + each.advice for each in found)
    assert macaroon.reveal() not in repr(found)
    lnd.answers["/v1/getinfo"] = httpx.ConnectError("")
    assert [each.grade for each in await node.examine()] == ["risk"]
    await node.aclose()
