"""The worker delivers. Where fetching is enabled the deliverable is downloaded first, so that the log entry says what was found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from handlers import hourly
from handlers.decision import Decision, Fetch, Moment, refuse
from handlers.guards import need_evidence, need_role, need_state
from handlers.policy import DAY
from handlers.task import Proof, Task
from handlers.transitions import Cause, move
from kinds.codes import Refused, Told
from kinds.commands import Submit
from kinds.inputs import Check, Evidence, Fetched, Proven, Said
from kinds.states import Role, TaskState, WorkState
from kinds.units import Secret, hash_of


def submit(task: Task, said: Said, command: Submit, moment: Moment) -> Decision:
    """A proof, before the deadline or the resubmission time; it supersedes the last one. At most a few a day."""
    need_role(task, said, Role.WORKER)
    need_state(task, said, TaskState.CLAIMED)
    need_evidence(task, said)
    now, milestone = moment.now, task.current
    until = milestone.resubmit_until if milestone.state is WorkState.REJECTED else task.deadline
    if now.heard >= until:
        raise refuse(Refused.TOO_LATE, task=task.id, what="deadline", since=until + now.deaf)
    key_hash = _sealed(task, command)
    hours = hourly.named(task, command)
    today = [at for at in milestone.proof_times if at > now.time - DAY]
    if len(today) >= moment.policy.proofs_a_day:
        raise refuse(Refused.TOO_MANY_PROOFS, limit=moment.policy.proofs_a_day, wait=today[0] + DAY - now.time)
    proof = Proof(
        number=milestone.proofs + 1,
        seq=0,
        heard=now.heard,
        time=now.time,
        url=command.url,
        sha256=command.sha256,
        mime=command.mime,
        notes=command.notes,
        event=said.evidence.event,
        key_hash=key_hash,
        key=command.key or Secret(""),
        hours=hours,
    )
    counted = task.with_milestone(proofs=proof.number, proof_times=(*milestone.proof_times, now.time), hours=hours)
    if not moment.policy.fetch:
        return _accept(Decision(counted), replace(proof, check_reason="fetching_off"), moment)
    if not command.url.lower().startswith(("http://", "https://")):
        return _accept(Decision(counted), replace(proof, check_reason="scheme"), moment)
    waiting = counted.with_milestone(arriving=proof)
    order = Fetch(f"{task.id}/proof/{proof.number}", proof.url, proof.sha256)
    return Decision(waiting).do(order).say(said.by, Told.PROOF_CHECKING, sha256=proof.sha256)


def _sealed(task: Task, command: Submit) -> str:
    """The hash of the key of a sealed file, "" of an open one. The key must be here, and be the one that is published. Raises Refusal."""
    key, named = command.key, command.key_hash
    if key is None and named is None:
        return ""
    if task.terms.sealed != "accepted":
        raise refuse(Refused.SEALED_REFUSED, task=task.id)
    if key is None:
        raise refuse(Refused.BAD_KEY, task=task.id, problem="missing")
    if named and named != hash_of(key):
        raise refuse(Refused.BAD_KEY, task=task.id, problem="other")
    return hash_of(key)


def fetched(task: Task, what: Fetched, moment: Moment) -> Decision:
    """What came of the download. A file of another hash is refused; one that cannot be had is recorded as unchecked."""
    proof = task.current.arriving
    if (
        proof is None
        or what.ref != f"{task.id}/proof/{proof.number}"
        or task.state is not TaskState.CLAIMED
        or task.phase
    ):
        return Decision(task)
    arrived = task.with_milestone(arriving=None)
    if what.check is Check.MISMATCHED:
        return Decision(arrived).say(
            task.worker, Told.PROOF_MISMATCHED, url=proof.url, wanted=proof.sha256, got=what.sha256
        )
    evidence = Evidence(Proven.SIGNED if proof.event else Proven.ATTESTED, proof.event)
    spoken = replace(moment, by=str(task.worker), evidence=evidence)
    return _accept(Decision(arrived), replace(proof, check=what.check, check_reason=what.reason), spoken)


def _accept(done: Decision, proof: Proof, moment: Moment) -> Decision:
    task = done.task
    review = moment.now.heard + task.terms.review_window
    moved = move(
        done,
        Cause.PROOF,
        moment,
        number=proof.number,
        sha256=proof.sha256,
        mime=proof.mime,
        check=str(proof.check),
        check_reason=proof.check_reason,
        heard_at=proof.time,
        review_until=review + moment.now.deaf,
        **({"key_hash": proof.key_hash} if proof.key_hash else {}),
        **({"hours": proof.hours} if proof.hours else {}),
    )
    logged = replace(proof, seq=moved.task.seq)
    moved = moved.on(moved.task.with_milestone(proof=logged, review_until=review, resubmit_until=0, prolonged=0))
    dropped = bool(proof.hours and moved.task.offers)  # a percentage was of what other hours come to
    if dropped:
        moved = moved.change(offers=())
    facts: dict[str, Any] = {
        "sha256": proof.sha256,
        "key_hash": proof.key_hash or None,
        "check": str(proof.check),
        "check_reason": proof.check_reason,
        "review_until": review + moment.now.deaf,
        "on_silence": task.terms.on_silence,
        **hourly.told(moved.task, proof.hours),
        **({"offers_dropped": True} if dropped else {}),
    }
    return moved.say(task.worker, Told.PROOF_RECEIVED, **facts).say(
        task.employer,
        Told.PROOF_ARRIVED,
        ref=f"shown/{proof.number}",
        url=proof.url,
        mime=proof.mime,
        notes=proof.notes,
        basis_seq=logged.seq,
        **facts,
    )
