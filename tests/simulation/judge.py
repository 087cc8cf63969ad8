"""At the end: has everybody got what the agreement owes him, to the msat; is the log whole, true and equal to the database; and did every
agreement end for a reason that its people or its terms gave? The reasons are read from what people really said, not from the log."""

from __future__ import annotations

import math
import traceback
from collections import defaultdict
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from kinds.events import DM_WRAP, TASK, read_json
from kinds.state import STATE_TAG
from storage.schema import heard, inputs, log
from tests.simulation.gazette import Public
from tests.simulation.guard import Violation
from tests.simulation.market import moving_price
from tests.simulation.players import Deal
from tests.virtual.lives import books, secrets_kept
from verifier import check

if TYPE_CHECKING:
    from tests.simulation.city import City


def judge(city: City) -> None:
    _log_is_true(city)
    _state_is_shown(city)
    _everybody_was_heard(city)
    _nothing_is_stuck(city)
    _nothing_is_held(city)
    for task, public in city.gazette.tasks.items():
        _has_a_reason(city, task, public)
        _credited_once(task, public)
    _wallets(city)
    figures = city.node.network.figures()
    if figures.total != figures.minted:
        raise Violation("", f"rule 5: {figures.minted} msat came into being, {figures.total} are there")
    try:
        books(city, loss=0)
        secrets_kept(city)
    except AssertionError as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        raise Violation("", f"the books or the secrets: {where.name}: {where.line}") from error


def _log_is_true(city: City) -> None:
    """The verifier accepts everything; what is public is what the database holds."""
    public = {event.id: event for relay in city.relays for event in relay.events.values() if event.kind != DM_WRAP}
    report = check([event.as_dict() for event in public.values()], str(city.bot))
    if not report.ok:
        found = [*report.violations, *(each for verdict in report.tasks for each in verdict.violations)]
        raise Violation(found[0].task, f"the verifier: {found[0]}, and {len(found) - 1} more")
    with city.engine.begin() as tx:
        kept = {row.id: row.task for row in tx.execute(select(log.c.id, log.c.task))}
    for relay in city.relays:
        for entry, task in kept.items():
            if entry not in relay.events:
                raise Violation(task, f"an entry of the log is not on {relay.url}: {entry[:8]}")
    for task, known in city.gazette.tasks.items():
        if known.broken or any(entry["id"] not in kept for entry in known.entries.values()):
            raise Violation(task, "an entry was published that the log does not hold")


def _state_is_shown(city: City) -> None:
    """What each relay shows as a task's present state is the newest entry of its log, also where two came in one second."""
    for relay in city.relays:
        shown: dict[str, Any] = {}
        for event in relay.events.values():
            if event.kind == TASK and event.pubkey == city.bot and STATE_TAG in event.tag_values("t"):
                said = read_json(event.content)
                assert isinstance(said, dict), "a state is a JSON object"
                shown[said["task"]] = said
        for task, public in city.gazette.tasks.items():
            if task not in shown or shown[task]["head"] != public.newest["id"]:
                raise Violation(task, f"{relay.url} shows another state than the newest")


def _credited_once(task: str, public: Public) -> None:
    """Of what somebody was credited, no msat is paid out twice."""
    owed: dict[str, int] = defaultdict(int)
    for entry in public.entries.values():
        facts = entry["facts"]
        for credit in facts.get("credited") or ():
            owed[credit["to"]] += credit["amount_msat"]
        if entry["type"] == "compensation":
            owed[facts["to"]] += facts["amount_msat"]
        elif entry["type"] == "receipt":
            owed[facts["to"]] -= facts["amount_msat"]
    if min(owed.values(), default=0) < 0:
        raise Violation(task, "more was paid out than credited")


def _everybody_was_heard(city: City) -> None:
    """What people said to a relay and it kept has reached the daemon, whatever came before it under the same id."""
    with city.engine.begin() as tx:
        known = set(tx.execute(select(heard.c.id)).scalars())
    for relay in city.relays:
        for event in relay.events.values():
            if city.bot in event.tag_values("p") and event.pubkey != city.bot and event.id not in known:
                raise Violation("", f"an event of kind {event.kind} on {relay.url} was never heard: {event.id[:8]}")


def _nothing_is_stuck(city: City) -> None:
    with city.engine.begin() as tx:
        stuck = tx.execute(
            select(inputs.c.task, inputs.c.sort, inputs.c.result).where(inputs.c.state == "stuck")
        ).first()
    if stuck:
        raise Violation(stuck.task or "", f"an input is stuck: {stuck.sort}, {stuck.result}")


def _nothing_is_held(city: City) -> None:
    """All agreements are over: no hold is left, whichever milestone it was for."""
    for task, hashes in city.guard.holds.items():
        for payment_hash, ref in hashes.items():
            if city.guard.is_held(payment_hash):
                raise Violation(task, f"all is over, and {ref} is still held")


def _wallets(city: City) -> None:
    """Every msat that a wallet has more or less than at its start stands in the log."""
    owed: dict[str, int] = defaultdict(int)
    for public in city.gazette.tasks.values():
        for pubkey, amount in _moved(public).items():
            owed[pubkey] += amount
    for paid in withdrawn(city):
        owed[paid["to"]] += paid["amount_msat"]
    for person in city.everybody:
        got = person.wallet.balance - person.start
        if got != owed[person.pubkey]:
            raise Violation(
                "",
                f"rule 5: the log gives {person.name} {owed[person.pubkey]} msat, his wallet has {got} ({person.pubkey})",
            )


def _moved(public: Public) -> dict[str, int]:
    """Who has got or given how much, by the log: holds that were settled, payouts that arrived."""
    moved: dict[str, int] = defaultdict(int)
    employer = public.entries[1]["facts"]["employer"]
    for entry in public.entries.values():
        facts = entry["facts"]
        if entry["type"] == "settlement.completed":
            if "loss_msat" not in facts:
                moved[employer] -= facts["hold_msat"]
            for payout in facts["payouts"]:
                moved[payout["to"]] += payout["amount_msat"]
            if "loss_msat" in facts:
                moved[employer] -= _settled_beside_a_loss(public, facts)
        elif entry["type"] == "deposit.returned" and "credited" in facts:  # out of the books
            moved[employer] -= facts["amount_msat"]
        elif "reason" in facts and entry["type"] == "task.expired" and "percent" in facts:
            continue  # the entry before it has told all of it: a deposit was paid out
        elif entry["type"] in ("refund.completed", "task.expired") and facts.get(
            "credited"
        ):  # settled, and given to his account
            if public.ahead.ever:
                moved[employer] -= sum(credit["amount_msat"] for credit in facts["credited"])
                continue
            held = public.last("invoice.accepted")
            moved[employer] -= held["facts"]["amount_msat"] if held else 0
    return moved


def _settled_beside_a_loss(public: Public, facts: dict[str, Any]) -> int:
    """msat: of two holds one was lost and the worker had been paid, the other one was settled for it."""
    refs = [facts["funding"], *(each["funding"] for each in facts.get("other_holds", ()))]
    lost = {entry["facts"]["funding"] for entry in public.entries.values() if entry["type"] == "hold.lost"}
    return sum(public.amount_of(ref) for ref in refs if ref not in lost)


def withdrawn(city: City) -> list[dict[str, Any]]:
    """What was paid out of people's accounts, by the daemon's own chain."""
    found = {event.id: event for relay in city.relays for event in relay.events.values()}
    chain = [read_json(event.content) for event in found.values() if "holdfast-checkpoint" in event.tag_values("t")]
    return [each["facts"] for each in chain if isinstance(each, dict) and each["type"] == "account.paid"]


def _has_a_reason(city: City, task: str, public: Public) -> None:
    deal = next((each for each in city.deals if each.task == task), None)
    if deal is None:
        raise Violation(task, "a task that nobody has offered")
    if not public.is_final:
        raise Violation(task, "liveness: it has no end")
    end = public.newest["state"]
    worker = _worker(city, public)
    given = city.deal_words(task)
    if end == "Paid":
        _paid_for_a_reason(task, public, deal, given, worker)
    elif end == "Refunded":
        _refunded_for_a_reason(task, public, deal, given, worker)
    elif public.last("payment.missed"):
        _paid_short_for_a_reason(task, public)
    _hired_by_their_word(city, task, public, deal, given)
    _deposited_by_his_word(city, task, public, deal, given)
    _kept_its_word(task, public, end)
    _cost_what_was_shown(task, public, deal)


def _asked_for_what_is_due(task: str, public: Public) -> bool:
    """Where the employer was asked for the money when the work was approved: for that, and for no more."""
    later = [entry for entry in public.entries.values() if "pay_until" in entry["facts"]]
    if not later:
        return False
    approved, asked = max(later, key=lambda entry: int(entry["seq"])), public.last_of_the_work("invoice.created")
    now = public.newest["facts"].get("milestone") == approved["facts"].get("milestone")
    due = public.due(approved["facts"].get("percent", 100))
    if asked and public.ahead.ever:
        then = public.as_of(asked["seq"])
        cover = then.ahead.held.get(asked["facts"].get("milestone", 1))
        due = then.due(approved["facts"].get("percent", 100))
        due = max(1000, due - cover.amount) if cover else due
    if now and asked and asked["seq"] > approved["seq"] and asked["facts"]["amount_msat"] != due:
        raise Violation(task, f"{due} msat were due, and {asked['facts']['amount_msat']} were asked for")
    return True


def _cost_what_was_shown(task: str, public: Public, deal: Deal) -> None:
    """The hold is what everybody was shown, and the operator keeps no more than his fee; a hold that was lost brings none."""
    shown = public.shown_of(1) if public.last("plan.agreed") is None else public.entries[1]["facts"]
    parts = shown["net_msat"] + shown["service_fee_msat"] + shown["budget_msat"]
    if not _asked_for_what_is_due(task, public) and shown["hold_msat"] != parts:
        raise Violation(task, "the parts of the hold that were shown are not the hold")
    if not shown["net_msat"] <= shown["reward_msat"] == _offered_reward(deal, shown):
        raise Violation(task, "the reward is not the one that was offered")
    done = public.last("settlement.completed")
    if done is None:
        return
    facts = done["facts"]
    fee = (
        0
        if "loss_msat" in facts or facts.get("reason") == "unpaid"
        else public.shown_of(facts.get("milestone", 1))["service_fee_msat"] * facts["percent"] // 100
    )
    if facts["fee_msat"] * 100 > fee * (100 - shown["insurance_percent"]):
        raise Violation(task, f"of a fee of {fee} msat the operator keeps {facts['fee_msat']}")


def _offered_reward(deal: Deal, shown: dict[str, Any]) -> int:
    """msat; of a price in a currency by the rate of that moment, which everybody knows here."""
    if not deal.rupees:
        return deal.sat * 1000
    parts = shown.get("parts", [(Fraction(deal.rupees), shown["rate_time"])])
    if sum(price for price, _ in parts) != Fraction(deal.rupees):
        return 0
    return sum(_in_sats(price, time) for price, time in parts)


def _in_sats(price: Fraction, time: int) -> int:
    """msat, at the rate of then."""
    return math.ceil(price * 10**8 / Fraction(moving_price("INR", time).quantize(Decimal("0.01")))) * 1000


def _end(public: Public) -> dict[str, Any]:
    found = public.last("settlement.completed", "refund.completed", "task.expired")
    assert found is not None, "a final task has an entry that ended it"
    return found


def _worker(city: City, public: Public) -> str:
    claimed = public.last("task.claimed")
    names = {person.pubkey: person.name for person in city.everybody}
    return names[claimed["facts"]["worker"]] if claimed else ""


def _paid_for_a_reason(
    task: str, public: Public, deal: Deal, said: dict[str, set[tuple[str, int]]], worker: str
) -> None:
    end = _end(public)["facts"]
    percent = end["percent"]
    share = public.share(percent)
    missed = public.last("payment.missed")
    if missed and "short_msat" in missed["facts"]:  # and the deposit was lost when he had been paid out of it
        if "loss_msat" not in end:
            raise Violation(task, "not paid in time, and yet it is Paid")
        _paid_short_for_a_reason(task, public)
        share -= missed["facts"]["short_msat"]
    budget = public.shown["budget_msat"]
    got = [payout["amount_msat"] for payout in end["payouts"]] + [
        credit["amount_msat"] - budget for credit in end["credited"] if credit["role"] == "worker"
    ]
    if got != [share]:
        raise Violation(task, f"the worker is owed {share} msat and got {got}")
    if public.hours and ("hours", public.hours) not in said[worker]:
        raise Violation(task, f"{public.hours} hundredths of an hour were never delivered")
    if public.hours > public.most_hours or bool(public.most_hours) != _by_the_hour(public, deal):
        raise Violation(task, f"{public.hours} hundredths of an hour, of {public.most_hours}")
    verdict = public.last("proof.verified", "dispute.resolved")
    assert verdict is not None, "the guard has seen to it that there is one"
    by_employer, by_worker = said[deal.employer.name], said[worker]
    how = verdict["facts"].get("verified_by") or verdict["facts"].get("how")
    if how == "silence":
        proof = public.last("proof.submitted")
        assert proof is not None, "silence follows a proof"
        window = (public.plan or deal.terms)["review_window"]
        if verdict["time"] - proof["facts"]["heard_at"] < window - 60 and not _near_its_end(public, verdict):
            raise Violation(task, "silence was taken for approval before the review was over")
        if deal.terms["on_silence"] != "approve":
            raise Violation(task, "silence was taken for approval against the terms")
    elif how == "agreement":
        if not (_offered(by_employer, percent) and _offered(by_worker, percent)):
            raise Violation(task, f"{percent} % were never agreed on")
    elif ("approve", 0) not in by_employer:
        raise Violation(task, "paid, and the employer never approved")


def _by_the_hour(public: Public, deal: Deal) -> bool:
    """From the start, or by what both agreed on."""
    agreed = [entry["facts"]["plan"] for entry in public.entries.values() if entry["type"] == "plan.agreed"]
    plans = [entry["facts"] for entry in public.entries.values() if entry["type"] == "plan.proposed"]
    return "cap" in deal.terms or any("hours_cap" in facts for facts in plans if facts["plan"] in agreed)


def _paid_short_for_a_reason(task: str, public: Public) -> None:
    """What was due was not paid: the worker has what a deposit held for him, and never more than his share; the rest is on record."""
    missed = public.last("payment.missed")
    assert missed is not None, "the caller has seen it"
    then = public.as_of(missed["seq"])
    cover = then.ahead.held.get(missed["facts"].get("milestone", 1))
    approved = then.last("proof.verified", "dispute.resolved")
    assert approved is not None, "nothing is due before an approval"
    share = then.share(approved["facts"].get("percent", 100))
    bears = min(share, cover.amount - then.shown["budget_msat"]) if cover else 0
    if bears <= 0:
        if "short_msat" in missed["facts"]:
            raise Violation(task, "missed and paid out of a deposit, which bears nothing")
        return
    if missed["facts"].get("short_msat") != share - bears:
        raise Violation(
            task, f"of a share of {share} msat the deposit bears {bears}, and the log says {missed['facts']}"
        )
    lost = {"hold.lost", "payout.failed"} & {e["type"] for e in public.entries.values() if e["seq"] > missed["seq"]}
    done = public.last("settlement.completed")
    if lost and (done is None or done["seq"] < missed["seq"]):
        return  # it was gone before he could be paid out of it, or he could not be reached
    end = _end(public)["facts"]
    got = [payout["amount_msat"] for payout in end["payouts"]] + [
        credit["amount_msat"] - then.shown["budget_msat"] for credit in end["credited"] if credit["role"] == "worker"
    ]
    if got != [bears]:
        raise Violation(task, f"the worker is owed {bears} msat out of the deposit and got {got}")


def _deposited_by_his_word(
    city: City, task: str, public: Public, deal: Deal, said: dict[str, set[tuple[str, int]]]
) -> None:
    """Nothing is asked for or held ahead that the employer has not agreed to; what goes back says which hold, and none does twice."""
    kinds = {entry["type"] for entry in public.entries.values()}
    ahead = public.ahead
    if (ahead.known or "deposit.accepted" in kinds) and ("deposit", 1) not in said[deal.employer.name]:
        raise Violation(task, "money ahead, and the employer never accepted that")
    if "deposit.declined" in kinds and ("deposit", 0) not in said[deal.employer.name]:
        raise Violation(task, "no deposit, and the employer never declined it")
    back = [entry["facts"]["funding"] for entry in public.entries.values() if entry["type"] == "deposit.returned"]
    if len(set(back)) != len(back) or not set(back) <= set(ahead.known):
        raise Violation(task, f"a deposit goes back twice, or one that nobody knows: {back}")
    if any(entry["facts"]["amount_msat"] != ahead.known[entry["facts"]["funding"]].amount
           for entry in public.entries.values() if entry["type"] == "deposit.returned"):  # fmt: skip
        raise Violation(task, "of a deposit goes back what it was not")


def _hired_by_their_word(
    city: City, task: str, public: Public, deal: Deal, said: dict[str, set[tuple[str, int]]]
) -> None:
    """Whoever is bound has said that he would do it; where the employer picks, he has picked; the money comes as the terms say."""
    names = {person.pubkey: person.name for person in city.everybody}
    first = deal.terms.get("order") == "hire_first"
    accepted = 0
    for _, entry in sorted(public.entries.items()):  # they may have come in another order
        if entry["type"] in ("task.accepted", "task.claimed"):
            if ("claim", 0) not in said[names[entry["facts"]["worker"]]]:
                raise Violation(task, "bound, and he never said that he would do it")
            if deal.terms.get("claim") == "pick" and ("hire", 0) not in said[deal.employer.name]:
                raise Violation(task, "hired, and the employer never picked anybody")
        accepted += entry["type"] == "task.accepted"
        if entry["type"] == "invoice.created" and first != bool(accepted):
            raise Violation(task, "the money was asked for in another order than agreed")


def _near_its_end(public: Public, verdict: dict[str, Any]) -> bool:
    """The review ends at L at the latest."""
    then = public.as_of(verdict["seq"])
    accepted = then.last_of_the_work("invoice.accepted")
    ends = [accepted["facts"]["last_safe_height"]] if accepted else []
    if cover := then.ahead.held.get(verdict["facts"].get("milestone", 1)):
        ends.append(cover.last_safe)
    return bool(ends) and bool(verdict["height"] >= min(ends))


def _offered(said: set[tuple[str, int]], percent: int) -> bool:
    return ("cancel", percent) in said


def _refunded_for_a_reason(
    task: str, public: Public, deal: Deal, said: dict[str, set[tuple[str, int]]], worker: str
) -> None:
    reason = _end(public)["facts"].get("reason")
    by_employer, by_worker = said[deal.employer.name], said[worker]
    cancelled = any(action == "cancel" for action, _ in by_employer)
    if reason == "cancelled" and not cancelled:
        raise Violation(task, "refunded as cancelled, and the employer never did")
    if reason == "agreed":
        nothing = [p for _, p in by_employer if public.share(p) == 0 and ("cancel", p) in by_worker & by_employer]
        if not nothing:
            raise Violation(task, "refunded by an agreement that was never made")
    if reason not in ("cancelled", "agreed", "no_resubmission", "hold_end", "dispute_limit"):
        raise Violation(task, f"refunded for a reason that does not refund: {reason}")


def _kept_its_word(task: str, public: Public, end: str) -> None:
    """Once approved, the work is paid, unless the worker could not be reached, disputed it himself, or the hold was lost."""
    verdict = public.last("proof.verified", "dispute.resolved")
    unpaid = verdict is not None and verdict["work"] == "APPROVED" and verdict["state"] == "Claimed"
    if verdict is None or not (unpaid or verdict["state"] == "Verified") or end == "Paid":
        return
    released = public.last("settlement.completed")
    if released and released["seq"] > verdict["seq"]:
        return
    later = [entry["type"] for entry in public.entries.values() if entry["seq"] > verdict["seq"]]
    if not {"dispute.opened", "hold.lost", "payout.failed", *({"payment.missed"} if unpaid else {})} & set(later):
        raise Violation(task, f"approved, and yet {end}")
