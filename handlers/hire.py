"""A worker takes a task, or gives it back."""

from __future__ import annotations

from dataclasses import replace

from handlers import applying, binding, ending, rollover
from handlers.decision import Decision, Moment, refuse
from handlers.destination import check_destination
from handlers.guards import latest_deadline, may_withdraw, need_evidence, need_role, need_state, need_unbanned, salt
from handlers.invoices import drop_invoice
from handlers.policy import DAY
from handlers.task import Destination, Task
from handlers.transitions import Cause, move
from kinds.codes import Refused, Told
from kinds.commands import Abandon, Claim
from kinds.inputs import Proven, Said
from kinds.states import LogType, Role, TaskState


def claim(task: Task, said: Said, command: Claim, moment: Moment) -> Decision:
    """The first valid claim binds the worker; where the employer picks, it is an offer to him. A destination, if given, is checked now and
    kept private; one that comes before a rate is frozen is asked for again."""
    if said.by == task.employer:
        raise refuse(Refused.OWN_TASK, task=task.id)
    need_unbanned(moment)
    open_still = task.state is not None and not task.state.is_final
    if open_still and task.worker is not None and task.worker != said.by:
        raise refuse(Refused.TAKEN, task=task.id)
    binding.need_place(task, said)
    need_evidence(task, said, LogType.TASK_CREATED)
    binding.need_time(task, moment)
    destination = _destination(task, said, command, moment)
    dest_hash = None if destination else command.dest_hash  # a destination that is known is its own commitment
    dropped = command.destination is not None and destination is None
    if task.picks:
        return applying.apply(task, said, command.note, destination, dest_hash, moment, dropped)
    return binding.bind(
        task,
        said.by,
        moment,
        note=command.note,
        destination=destination,
        dest_hash=dest_hash,
        consented=moment.now.heard,
        dropped=dropped,
    )


def _destination(task: Task, said: Said, command: Claim, moment: Moment) -> Destination | None:
    signed = said.evidence.proven is Proven.SIGNED
    if command.dest_hash and not signed:
        problem = "only a signed claim promises a payment by its hash; here, send the invoice itself, now or later"
        raise refuse(Refused.BAD_USAGE, action="claim", usage=command.example, problem=problem)
    if command.destination is None:
        return None
    if signed:
        raise refuse(
            Refused.BAD_USAGE,
            action="claim",
            usage='{"v":1,"action":"claim","task":"...","dest_hash":"..."}',
            problem="a signed claim is public and must not hold an invoice: name its dest_hash and send the invoice by DM",
        )
    if task.indicative:  # nobody can make an invoice over what is not known in sats yet
        return None
    live_until = task.deadline + task.terms.review_window + DAY + moment.now.deaf
    named = check_destination(task, command.destination, task.net, live_until, moment)
    return replace(named, salt=salt(moment.now, f"{task.id}/claim"))


def abandon(task: Task, said: Said, command: Abandon, moment: Moment) -> Decision:
    """Before the money, back to Draft. After it, back to Funded when the hold can still carry another worker, else the money goes back.
    Never a mark. One who was not hired takes himself off the list."""
    if said.by != task.worker and may_withdraw(task, said.by):
        return applying.withdraw(task, said, moment)
    need_role(task, said, Role.WORKER)
    need_state(task, said, TaskState.DRAFT, TaskState.PENDING_FUNDING, TaskState.CLAIMED)
    need_evidence(task, said)
    if task.state is not TaskState.CLAIMED or task.unfunded:
        done = drop_invoice(Decision(task), task.quote)
        return _freed(move(done, Cause.GIVEN_UP, moment, worker=said.by), said)
    if not _has_room_for_another(task, moment):
        done = ending.begin_refund(Decision(task), Cause.ABANDONED_LATE, moment, "abandoned", Cause.ENDED)
        return done.say(said.by, Told.ABANDONED, refunding=True).say(task.employer, Told.ABANDONED, refunding=True)
    done = rollover.drop(move(Decision(task), Cause.ABANDONED, moment, worker=said.by))
    until = min(moment.now.heard + task.terms.hold_timeout, task.deadline)
    return _freed(done.change(funded_until=until), said, until + moment.now.deaf)


def _freed(done: Decision, said: Said, until: int | None = None) -> Decision:
    """Nobody is bound any more, and nothing of him is left but the numbers of his proofs. `until`: how long it is open."""
    task = done.task
    freed = replace(
        task.with_current(task.current.anew()), worker=None, claimed_at=0, bound_seq=0, consented=0, rushed=False,
        destination=None, dest_hash=None, offers=(), proposal=None,
    )  # fmt: skip
    told = done.on(freed).say(said.by, Told.ABANDONED, refunding=False)
    return told.say(task.employer, Told.ABANDONED, refunding=False, until=until, applicants=len(task.applicants))


def _has_room_for_another(task: Task, moment: Moment) -> bool:
    """Somebody else can still do it before the deadline, and the hold would carry that a day longer; money in the books carries it."""
    if moment.now.heard >= task.deadline:
        return False
    if task.hold is None or task.terms.outlasts_hold:
        return True
    expiry = task.hold.expiry_height
    latest = latest_deadline(moment.now, task.terms.review_window, expiry, moment.policy, task.terms)
    return task.deadline + DAY <= latest
