"""A task is offered: by a signed event or by `post`. Which of the protocol's terms are built stands here, by name."""

from __future__ import annotations

from dataclasses import replace

from handlers import plan, pricing
from handlers.decision import Decision, Moment, refuse
from handlers.guards import latest_deadline, need_welcome
from handlers.hours import Hourly
from handlers.policy import DAY
from handlers.task import Milestone, Task, Terms, by_hour, holder, shown
from handlers.transitions import Cause, move
from kinds.codes import Refused, Told
from kinds.inputs import Offered
from kinds.task import TermsWords
from kinds.units import task_id

PROJECT_REVIEW = 5 * DAY
BUILT: dict[str, frozenset[object]] = {
    "order": frozenset({"fund_first", "hire_first"}),
    "claim": frozenset({"first", "pick"}),
    "payment_type": frozenset({"FIXED_PRICE", "HOURLY_RATE", "MILESTONE"}),
    "funding": frozenset({"upfront", "on_approval"}),
    "custody_mode": frozenset({"lightning_self", "ledger"}),
    "verification": frozenset({"manual"}),
    "on_hold_end": frozenset({"refund", "rollover then refund", "ledger", "rollover then ledger"}),
}
"""The values that work today. Any other is refused by its name, so that nobody relies on what is not there."""


def create(offered: Offered, moment: Moment) -> Decision:
    """A new task, Draft. Raises Refusal."""
    need_welcome(moment)
    offer, policy, now = offered.offer, moment.policy, moment.now
    for name, built in BUILT.items():
        value = getattr(offer.terms, name)
        if value not in built:
            raise refuse(Refused.NOT_BUILT, what=f"{name} = {value}", built=sorted(str(v) for v in built))
    _need_offered(offer.terms, moment)
    _need_together(offer.terms)
    cost = pricing.first(offer, moment)
    words = offer.terms
    project = words.payment_type == plan.MILESTONE or bool(words.milestones)
    review = words.review_window or (PROJECT_REVIEW if project else policy.review_window)
    if offer.deadline <= now.time:
        raise refuse(Refused.BAD_DEADLINE, problem="it has passed already")
    hourly = Hourly(rate=offer.hour_rate, cap=offer.cap) if offer.hour_rate else None
    terms = replace(
        _terms(words, offer.deadline - now.deaf, review, project, moment), pricing=cost.agreed, hourly=hourly
    )
    latest = now.heard + policy.max_deadline
    one_hold = not project and terms.funding == "upfront"  # over all of the work
    if one_hold and not terms.outlasts_hold:
        latest = min(latest, latest_deadline(now, review, now.height + policy.hold_cltv, policy))
    if offer.deadline - now.deaf > latest:
        raise refuse(Refused.DOES_NOT_FIT, limit=latest + now.deaf)
    identity = task_id(offered.pinned)
    task = Task(
        id=identity,
        address=offered.address or f"30078:{policy.bot}:holdfast-{identity}",
        pinned=offered.pinned,
        posted=not offered.address,
        employer=offered.by,
        title=offer.title,
        description=offer.terms.description,
        terms=terms,
        created=now.time,
        milestones=(
            Milestone(
                number=1, title=offer.title, reward=cost.reward, budget=policy.budget(cost.reward), price=offer.price,
                rate=cost.rate,
            ),
        ),
    )  # fmt: skip
    task = _in_parts(task, offer.terms, moment)
    pricing.need_net(task)
    done = move(
        Decision(task),
        Cause.CREATED,
        moment,
        pinned=task.pinned,
        employer=task.employer,
        title=task.title,
        **{name: fact for name, fact in shown(task).items() if name != "total_msat"},
        **pricing.public(task.terms),
        **task.terms.fees.public(),
        deadline=offer.deadline,
        review_window=review,
        hold_timeout=task.terms.hold_timeout,
        on_reject=task.terms.on_reject,
        max_rejects=task.terms.max_rejects,
        on_silence=task.terms.on_silence,
        on_hold_end=task.terms.on_hold_end,
        min_evidence=task.terms.min_evidence,
        margin=task.terms.margin,
        payout_limit=task.terms.payout_limit,
        custody_mode=task.terms.custody_mode,
        **({"dispute_limit": task.terms.dispute_limit} if task.terms.outlasts_hold or task.hires_first else {}),
        order=task.terms.order,
        claim=task.terms.claim,
        payment_type=task.terms.payment_type,
        **{name: fact for name, fact in by_hour(task).items() if name != "hourly_unit"},
        **({"milestones": plan.public_parts(task.milestones, now)} if task.is_project else {}),
        **({"funding": task.terms.funding} if task.on_approval else {}),
        **({"deposit_percent": task.terms.deposit_percent} if task.terms.deposit_percent else {}),
        **({"sealed": task.terms.sealed} if task.terms.sealed != "refused" else {}),
        terms=task.terms.version,
    )
    return done.say(
        task.employer,
        Told.CREATED,
        **shown(task),
        deadline=offer.deadline,
        custody=holder(task),
        order=task.terms.order,
        claim=task.terms.claim,
        sealed=task.terms.sealed,
        funding=task.terms.funding,
        **by_hour(task),
    )


def _need_together(words: TermsWords) -> None:
    """Terms that belong together."""
    if words.funding == "on_approval" and (words.order, words.custody_mode) != ("hire_first", "lightning_self"):
        problem = "on_approval goes with order = hire_first and custody_mode = lightning_self"
        raise refuse(Refused.BAD_FIELD, field="funding", problem=problem)


def _need_offered(words: TermsWords, moment: Moment) -> None:
    """What the operator does not want to do, though it is built, is refused by its name."""
    policy = moment.policy
    for name, value, offered in (
        ("custody_mode", words.custody_mode, policy.custody_modes),
        ("on_hold_end", words.on_hold_end, policy.hold_ends),
    ):
        if value not in offered:
            raise refuse(Refused.NOT_OFFERED, what=f"{name} = {value}", offered=list(offered))


def _terms(words: TermsWords, deadline: int, review: int, project: bool, moment: Moment) -> Terms:
    policy = moment.policy
    return Terms(
        version=policy.terms_version,
        deadline=deadline,
        review_window=review,
        hold_timeout=words.hold_timeout or policy.hold_timeout,
        on_reject=words.on_reject or ("revise" if project else "dispute"),
        max_rejects=words.max_rejects or (10 if project else 3),
        on_silence=words.on_silence,
        on_hold_end=words.on_hold_end,
        min_evidence=words.min_evidence,
        margin=policy.margin,
        payout_limit=policy.payout_limit,
        fees=policy.fees,
        custody_mode=words.custody_mode,
        dispute_limit=policy.dispute_limit,
        order=words.order,
        claim=words.claim,
        payment_type=words.payment_type,
        sealed=words.sealed,
        funding=words.funding,
        deposit_percent=words.deposit_percent,
    )


def _in_parts(task: Task, words: TermsWords, moment: Moment) -> Task:
    """A task whose event names its milestones is cut at once: the employer has signed them, and a claim agrees to them."""
    if task.terms.payment_type == "FIXED_PRICE":
        if words.milestones:
            raise refuse(Refused.BAD_PLAN, problem="milestones belong to payment_type MILESTONE or HOURLY_RATE")
        return task
    if not words.milestones:
        if task.terms.hourly is None and not task.hires_first:
            raise refuse(
                Refused.BAD_PLAN, problem="name the milestones, or hire first (order=hire_first) and agree on them then"
            )
        return task
    return replace(task, milestones=plan.cut(words.milestones, task, moment, f"{task.id}/0"))
