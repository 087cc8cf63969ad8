"""What can be wrong, each with a stable code. A violation contradicts the protocol; a warning is what a careful reader should
know although nothing is contradicted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """The codes of violations and warnings. Programs depend on them: never rename one."""

    # one event
    MALFORMED = "malformed"  # not a NIP-01 event
    BAD_ID = "bad_id"  # the id is not the hash of the event
    BAD_SIGNATURE = "bad_signature"
    BAD_CONTENT = "bad_content"  # not canonical JSON of the protocol's shape
    BAD_FACTS = "bad_facts"  # a fact is missing or of the wrong kind
    UNKNOWN_TYPE = "unknown_type"
    TAGS_DISAGREE = "tags_disagree"  # a tag says something else than the content, or stands twice, or is missing
    # the chain
    GAP = "gap"
    FORK = "fork"  # two entries of the same seq
    WRONG_PREV = "wrong_prev"
    WRONG_ROOT = "wrong_root"  # `e` is not the task event
    WRONG_ADDRESS = "wrong_address"
    WRONG_PARTIES = "wrong_parties"
    WRONG_TASK_ID = "wrong_task_id"
    TIME_BACKWARDS = "time_backwards"
    DEAF_BACKWARDS = "deaf_backwards"
    HEIGHT_BACKWARDS = "height_backwards"
    NOT_FOUND = "not_found"
    # the moves
    ILLEGAL_MOVE = "illegal_move"
    WRONG_AUTHOR = "wrong_author"  # that one may not do this
    AFTER_FINAL = "after_final"
    AGAINST_TERMS = "against_terms"  # the task's terms say otherwise
    NO_AGREEMENT = "no_agreement"  # there was no offer of the other side at this percentage
    WHILE_FROZEN = "while_frozen"  # the operator had frozen the task, and this is not what may happen then
    AGREEMENT_IGNORED = "agreement_ignored"  # both offered the same, and it was not carried out
    # who said it
    EVIDENCE_MISMATCH = "evidence_mismatch"  # `proven` and the embedded event do not go together
    EVIDENCE_TOO_WEAK = "evidence_too_weak"  # the terms ask for signed decisions
    EMBEDDED_BAD_ID = "embedded_bad_id"
    EMBEDDED_BAD_SIGNATURE = "embedded_bad_signature"
    EMBEDDED_WRONG_AUTHOR = "embedded_wrong_author"
    EMBEDDED_WRONG_KIND = "embedded_wrong_kind"
    EMBEDDED_WRONG_ACTION = "embedded_wrong_action"
    EMBEDDED_NOT_FOR_BOT = "embedded_not_for_bot"
    EMBEDDED_WRONG_TASK = "embedded_wrong_task"
    EMBEDDED_DISAGREES = "embedded_disagrees"  # the entry's facts are not what the person signed
    EMBEDDED_EXPIRES = "embedded_expires"
    EMBEDDED_FUTURE = "embedded_future"
    EMBEDDED_ANCIENT = "embedded_ancient"
    BASIS_MISSING = "basis_missing"
    BASIS_FOREIGN = "basis_foreign"  # not an earlier entry of this chain
    BASIS_WRONG_TYPE = "basis_wrong_type"
    BASIS_STALE = "basis_stale"  # a newer entry of its kind exists, or it is older than the claim
    EVENT_REPLAYED = "event_replayed"
    # money
    WRONG_AMOUNT = "wrong_amount"
    WRONG_FUNDING = "wrong_funding"
    WRONG_MILESTONE = "wrong_milestone"  # an entry is about another milestone than the one whose turn it is
    WRONG_SHARE = "wrong_share"
    WRONG_PREIMAGE = "wrong_preimage"
    COMMITMENT_BROKEN = "commitment_broken"
    WRONG_RATE = "wrong_rate"  # the reward is not the price at the published rate
    STALE_RATE = "stale_rate"  # the rate was too old, or from later
    WRONG_FEE = "wrong_fee"  # the service fee is not what the task's terms give
    FEE_ABOVE_BUDGET = "fee_above_budget"
    UNBALANCED = "unbalanced"
    HASH_REUSED = "hash_reused"
    WRONG_MARK = "wrong_mark"
    # time
    TOO_EARLY = "too_early"
    TOO_LATE = "too_late"
    WRONG_UNTIL = "wrong_until"
    WRONG_HEIGHT = "wrong_height"
    DEAF_UNACCOUNTED = "deaf_unaccounted"  # the daemon's own chain does not show these outages
    # beside the log
    STATE_CONTRADICTS = "state_contradicts"
    STATE_AHEAD = "state_ahead"  # the state event knows entries that are not there
    HOUSE_CONTRADICTS = "house_contradicts"  # the daemon's own chain, itself
    TERMS_MISSING = "terms_missing"
    OUTSIDE_TERMS = "outside_terms"
    ADDRESS_REUSED = "address_reused"
    SECRET_LEAK = "secret_leak"
    # only ever warnings
    FORGED_COPY = "forged_copy"  # beside the genuine event
    STATE_STALE = "state_stale"
    STATE_MISSING = "state_missing"
    HOUSE_MISSING = "house_missing"  # the daemon's own chain was not found
    TERMS_INCOMPLETE = "terms_incomplete"
    TERMS_UNANNOUNCED = "terms_unannounced"
    UNKNOWN_FACT = "unknown_fact"
    SECRET_QUOTED = "secret_quoted"  # a person published an invoice or key in his own words
    HOLD_LOST = "hold_lost"
    OVERDUE = "overdue"
    CREDITS_UNSEEN = "credits_unseen"  # logs of tasks that put something to somebody's account are not at hand
    RELAY = "relay"  # trouble with a relay


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `seq` and `event` are 0 and "" when no single entry is to blame; `task` is "" for the house."""

    code: Code
    detail: str
    task: str = ""
    seq: int = 0
    event: str = ""

    def __str__(self) -> str:
        place = f"{self.task or 'the daemon'}{f' #{self.seq}' if self.seq else ''}"
        return f"{place}: {self.code}: {self.detail}"

    def as_dict(self) -> dict[str, str | int]:
        return {"code": self.code.value, "detail": self.detail, "task": self.task, "seq": self.seq, "event": self.event}


class Notes:
    """Collects findings while a chain is read."""

    __slots__ = ("violations", "warnings")

    def __init__(self) -> None:
        self.violations: list[Finding] = []
        self.warnings: list[Finding] = []
