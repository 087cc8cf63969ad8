"""The facts that the daemon really passes with each code: what the tests of wording and messages render."""

from __future__ import annotations

from typing import Any

from kinds.codes import Refused as R
from kinds.codes import Told as T
from kinds.units import EventId, Msat, Pubkey, Secret, task_id

NOW = 1_764_000_000
DAY = 86400
TASK = task_id(EventId("ab" * 32))
EMPLOYER = Pubkey("3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d")
WORKER = Pubkey("bb" * 32)
BOT = Pubkey("cc" * 32)
ENTRY = EventId("dd" * 32)
SHA = "ef" * 32
INVOICE = Secret("lnplay505u1p" + "qpzry9x8gf2tvdw0s3jn54khce6mua7l" * 9)
PREIMAGE = Secret("77" * 32)

ABOUT: dict[str, Any] = {"task": TASK, "title": "Build a landing page"}
MONEY = {
    "reward_msat": Msat(50_000_000), "net_msat": Msat(50_000_000), "service_fee_msat": Msat(0), "budget_msat": Msat(500_000),
    "hold_msat": Msat(50_500_000),
}  # fmt: skip
FROZEN: dict[str, Any] = {
    "currency": "INR", "price": "4000.00", "rate": "8000000.00", "rate_sources": ["one", "two"], "rate_time": NOW - 60,
    "indicative": False,
}  # fmt: skip
ESTIMATED = FROZEN | {"indicative": True}
LEFT = {"available_msat": Msat(10_100_000), "payable_msat": Msat(10_000_000), "payable_budget_msat": Msat(100_000)}
COVER = {"milestone": 3, "covers": "3000", "amount_msat": Msat(3_000_000)}
SHARED_FEE = {"net_msat": Msat(49_500_000), "service_fee_msat": Msat(1_000_000), "hold_msat": Msat(51_000_000)}
FEE_TERMS = {
    "service_fee_ppm": 12_500, "service_fee_base_msat": 50_000, "service_fee_minimum_msat": 100_000, "service_fee_payer": "split",
}  # fmt: skip
PROOF = {
    "url": "https://example.org/page.zip",
    "sha256": SHA,
    "mime": None,
    "notes": "see the readme",
    "key_hash": None,
}
SEAL: dict[str, Any] = {"url": PROOF["url"], "sha256": SHA, "key_hash": "ab" * 32}
CHECKED = {"check": "unchecked", "check_reason": "fetching_off"}
STATUS = {
    **ABOUT,
    **MONEY,
    "description": "One page",
    "state": "Claimed",
    "work": "SUBMITTED",
    "phase": "",
    "frozen": False,
    "deadline": NOW + 2 * DAY,
    "until": NOW + 5 * 3600,
    "until_what": "silence",
    "role": "employer",
    "may": ["approve", "reject", "cancel", "dispute", "status"],
    "order": "fund_first",
    "claim": "first",
    "sealed": "refused",
    "applicants": 0,
    "proposals": [],
    "employer": EMPLOYER,
    "worker": WORKER,
    "proof": {
        "sha256": SHA,
        "check": "unchecked",
        "url": "https://example.org/page.zip",
        "key_hash": None,
        "key": None,
    },
    "expiry_height": 964,
    "last_safe_height": 612,
    "height": 100,
    "credit_msat": 0,
    "step": 4,
    "steps": 6,
    "head": ENTRY,
}
TERMS = {
    "network": "simnet", "play_money": True, "service_fee_ppm": 0, "service_fee_base_msat": 0,
    "service_fee_minimum_msat": 0, "service_fee_payer": "employer", "insurance_percent": 10, "budget_base_msat": 10_000, "budget_ppm": 10_000,
    "min_reward_msat": 100_000, "max_reward_msat": 10**9, "min_part_msat": 5_000_000, "max_parts": 8,
    "custody_modes": ["lightning_self"], "on_hold_end": ["refund"], "arbiters": [], "hold_cltv": 864, "margin": 58,
    "payout_limit": 288, "dispute_reserve": 144, "max_final_cltv": 144, "invoice_expiry": 3600, "hold_timeout": DAY,
    "review_window": DAY, "max_deadline": 90 * DAY, "min_inbound_msat": 0,
    "min_outbound_msat": 0, "min_free_slots": 0, "max_held_msat": 0, "currencies": [], "quotes_a_day": 3, "proofs_a_day": 3, "fetches_deliverables": False,
    "sees_parts": True, "limits_payouts": True, "version": ENTRY,
    "paused": False,
}  # fmt: skip
HOLD = {
    "task": TASK, "title": "Build a landing page", "state": "Claimed", "phase": "", "frozen": False, "funding": f"{TASK}/h1",
    "goal": "", "amount_msat": 50_500_000, "age": 7200, "expiry_height": 964, "last_safe_height": 612,
}  # fmt: skip
INVOICED = {
    "invoice": INVOICE, "payment_hash": SHA, "amount_msat": 50_500_000, **MONEY,
    "expires_at": NOW + 3600, "hash_salt": SHA,
}  # fmt: skip

WORK = [
    ABOUT
    | {
        "deadline": NOW + DAY,
        "reward_msat": 50_000_000,
        "net_msat": 50_000_000 - fee,
        "worker_fee_msat": fee,
        "needs_destination": missing,
        "description": said,
        "dest_salt": None,
        "custody": custody,
        "funding": "upfront",
    }
    for missing, said, fee, custody in (
        (True, "", 0, "hold"),
        (False, "One page, two columns.", 0, "ledger"),
        (True, "", 500_000, "ledger_at_claim"),
        (True, "", 0, "ledger_at_end"),
    )
]

PART = {"number": 1, "title": "UI design", "reward_msat": 5_000_000, "due": NOW + DAY, "state": "PENDING"}
PARTS = [
    PART | {"description": "two pages", "details_salt": SHA},
    PART | {"number": 2, "title": "Backend", "reward_msat": 8_000_000},
]
PLAN = ABOUT | {
    "by": WORKER, "plan": SHA, "review_window": 5 * DAY, "on_reject": "revise", "max_rejects": 10, "funding": "upfront", "total_msat": 13_000_000,
    "cost_msat": 13_130_000, "milestones": PARTS, "basis": ENTRY, "bot": BOT,
}  # fmt: skip
BY_HOUR = {"hourly_rate": "1000", "hours_cap": 40, "hourly_unit": "sats"}
HOURS = BY_HOUR | {"hours": 1250, "most": 4000, "amount_msat": 12_500_000}
CHOICE = ABOUT | {
    "total_msat": 13_000_000, "threshold_msat": 10_000_000, "recommended": "MILESTONE", "funding": "upfront", "selected": None, "plan": None, "by": None,
}  # fmt: skip


_ESCROW: dict[str, Any] = {
    "id": f"{TASK}/h1", "type": "UPFRONT_ESCROW", "status": "SUCCESS", "milestone": 1, "amount_msat": Msat(50_500_000), "fee_msat": Msat(0),
    "currency": None, "currency_amount": None, "rate": None, "paid_by": EMPLOYER, "released_to": WORKER, "created_at": NOW - DAY,
    "released_at": NOW - 60, "payment_hash": SHA, "preimage": PREIMAGE, "what": None,
}  # fmt: skip
_FULL = _ESCROW | {
    "id": f"{TASK}/p2", "type": "FULL_PAYMENT", "amount_msat": Msat(50_000_000), "fee_msat": Msat(10_000), "payment_hash": None,
    "preimage": None,
}  # fmt: skip
_SOLD = ABOUT | {
    "role": "employer", "state": "Paid", "reward_msat": Msat(50_000_000), "employer": EMPLOYER, "worker": WORKER, "milestones": 1,
    "created_at": NOW - 2 * DAY, "issued_at": NOW, "paid_msat": 50_000_000, "compensated_msat": 0, "escrow_msat": 50_500_000,
    "refunded_msat": 0, "routing_fee_msat": 10_000, "fee_msat": 0, "insurance_msat": 490_000, "transactions": [_ESCROW, _FULL],
    "earlier": 0, "final": True, "seq": 8, "head": ENTRY, "bot": BOT, "network": "simnet",
}  # fmt: skip
_EARNED = {
    name: fact
    for name, fact in _SOLD.items()
    if name not in ("escrow_msat", "refunded_msat", "routing_fee_msat", "fee_msat", "insurance_msat")
}
RECEIPTS: list[dict[str, Any]] = [
    _SOLD,
    _SOLD
    | {
        "hourly_rate": "12.50",
        "hours_cap": 40,
        "hourly_unit": "INR",
        "transactions": [_ESCROW, _FULL | {"hours": 1225}],
    },
    _EARNED
    | {"role": "worker", "transactions": [_FULL | {"payment_hash": SHA, "preimage": PREIMAGE}], "network": "bitcoin"},
    _SOLD
    | {
        "state": "Claimed",
        "final": False,
        "milestones": 3,
        "earlier": 7,
        "transactions": [
            _FULL
            | {
                "type": "MILESTONE_PAYMENT",
                "milestone": 2,
                "currency": "EUR",
                "currency_amount": "45.00",
                "rate": "90000",
            },
            _ESCROW | {"status": "PENDING", "released_to": None, "released_at": None, "preimage": None},
            _ESCROW | {"type": "REFUND", "status": "FAILED", "what": "change"},
            _ESCROW | {"type": "COMPENSATION", "paid_by": None, "what": "compensation"},
        ],
    },
]

PASSED: dict[R | T, list[dict[str, Any]]] = {
    R.UNKNOWN_COMMAND: [
        {"word": "cliam", "near": ["claim", "cancel"]},
        {"word": "", "near": []},
        {"word": "\ud800", "near": []},
    ],
    R.BAD_USAGE: [{"action": "claim", "usage": "claim ID [DESTINATION]", "problem": "the task's id is missing"}],
    R.BAD_JSON: [{"problem": "this is not JSON"}],
    R.BAD_FIELD: [
        {"field": "percent", "problem": "it must be at most 100"},
        {"field": "mime", "problem": "Value error, no"},
    ],
    R.TOO_LONG: [{"limit": 65536}],
    R.UNKNOWN_TERM: [{"term": "colour", "near": ["claim", "order"]}],
    R.ACCOUNT_UNSURE: [{}],
    R.NOT_OFFERED: [{"what": "custody_mode = ledger", "offered": ["lightning_self"]}],
    R.NOT_BUILT: [
        {"what": "the command vote"},
        {"what": "verification = auto", "built": ["manual"]},
        {"what": "this kind of destination", "built": ["BOLT11 invoice"]},
    ],
    R.BAD_AMOUNT: [
        {"problem": "the amount is a whole number of sats above zero"},
        {"field": "amount", "problem": "no"},
    ],
    R.BAD_DEADLINE: [{"problem": "it has passed already"}],
    R.BAD_HOURS: [
        {"field": "hours", "problem": "it is a number above zero with two decimals at most, like 12 or 12.5"},
        {"task": TASK, "problem": "there is room for 40 hours at most", "most": 4000},
    ],
    R.HOURS_NEEDED: [{"task": TASK, "most": 4000, "signed": signed} for signed in (False, True)],
    R.NOT_HOURLY: [{"task": TASK}],
    R.BAD_HASH: [
        {"field": "x"},
        {"field": "sha256", "problem": "a sha256 is 64 hex digits"},
        {"task": TASK, "field": "salt"},
    ],
    R.BAD_URL: [{"field": "url"}, {"field": "url", "problem": "it is missing"}],
    R.BAD_TAG: [{"tag": "d", "problem": "it names another task than the command"}],
    R.BAD_CREATED_AT: [{"problem": "future"}, {"problem": "ancient"}],
    R.UNKNOWN_TASK: [{"id": "7qk2"}],
    R.AMBIGUOUS_TASK: [{"id": "7", "tasks": [TASK, "7qk2m0x9t4h1h"]}],
    R.NOT_YOUR_TASK: [{"task": TASK, "role": "employer or worker", "action": "dispute"}],
    R.OWN_TASK: [{"task": TASK}],
    R.NOT_OPERATOR: [{"action": "freeze"}],
    R.ADDRESS_TAKEN: [{"task": TASK}],
    R.WRONG_STATE: [
        {
            "task": TASK,
            "state": "Claimed",
            "work": "SUBMITTED",
            "phase": "",
            "action": "fund",
            "may": ["approve", "status"],
        },
        {
            "task": TASK,
            "state": "Verified",
            "work": "APPROVED",
            "phase": "settling",
            "action": "cancel",
            "may": ["status"],
        },
    ],
    R.TOO_LATE: [{"task": TASK, "what": "deadline", "since": NOW - 60}],
    R.TAKEN: [{"task": TASK}],
    R.NOT_HIRED: [{"task": TASK, "claim": claim} for claim in ("first", "pick")],
    R.ALREADY_HIRED: [{"task": TASK, "worker": WORKER}],
    R.NOT_AN_APPLICANT: [
        {"task": TASK, "who": WORKER, "claim": claim, "gone": gone}
        for claim, gone in (("first", False), ("pick", False), ("pick", True))
    ],
    R.FROZEN: [{"task": TASK}, {"task": TASK, "broken": True}],
    R.ALREADY: [{"task": TASK, "action": "freeze"}],
    R.FUNDING_BUSY: [{"task": TASK}],
    R.PAYOUT_BUSY: [{"task": TASK}],
    R.NO_PLAN: [{"task": TASK}],
    R.PAYS_LATER: [{"task": TASK}],
    R.PLAN_NEEDED: [{"task": TASK}],
    R.PLAN_CHANGED: [{"task": TASK, "plan": SHA}],
    R.PLAN_YOURS: [{"task": TASK, "plan": SHA}],
    R.PLAN_LOCKED: [{"task": TASK}],
    R.PLAN_SUM: [
        {"sum_msat": 19_000_000, "total_msat": 20_000_000, "off_msat": -1_000_000},
        {"currency": "INR", "sum_price": "19000.00", "total_price": "20000.00"},
        {"sum_msat": 40_000_000, "total_msat": 20_000_000, "off_msat": 20_000_000, **BY_HOUR},
        {
            "currency": "INR",
            "sum_price": "500.00",
            "total_price": "20000.00",
            **BY_HOUR,
            "hourly_rate": "12.50",
            "hourly_unit": "INR",
        },
    ],
    R.BAD_PLAN: [
        {"problem": "a plan has 2 to 100 milestones"},
        {"problem": "dates follow one another", "deadline": NOW + DAY},
    ],
    R.NOBODY_THERE: [{"task": TASK}],
    R.BASIS_MISSING: [
        {"task": TASK, "action": "approve", "needs": "proof.submitted"},
        {"task": TASK, "action": "dispute", "needs": "any"},
    ],
    R.BASIS_STALE: [{"task": TASK, "action": "approve", "needs": "proof.submitted", "latest": 7}],
    R.SIGNED_ONLY: [{"task": TASK, "action": "approve"}],
    R.SEALED_REFUSED: [{"task": TASK}],
    R.BAD_KEY: [{"task": TASK, "problem": problem} for problem in ("missing", "unreadable", "other", "public")],
    R.BELOW_MINIMUM: [
        {"minimum_msat": 100_000},
        {"minimum_msat": 100_000, "milestone": 2},
        {"minimum_msat": 100_000, "currency": "INR", "rate": "8000000.00"},
    ],
    R.ABOVE_MAXIMUM: [
        {"maximum_msat": 10**9},
        {"maximum_msat": 10**9, "milestone": 2},
        {"maximum_msat": 10**9, "currency": "JPY", "rate": "15000000.00"},
    ],
    R.NO_RATE: [{"currency": "INR"}, {"currency": "INR", "task": TASK}],
    R.BAD_INVOICE: [{"problem": "it has expired"}, {"problem": "it expires too early", "live_until": NOW + DAY}],
    R.AMOUNT_MISMATCH: [{"wanted_msat": 50_000_000, "got_msat": 1}, {"wanted_msat": 50_000_000, "got_msat": 0}],
    R.HASH_USED: [{}],
    R.OWN_NODE: [{}],
    R.DOES_NOT_FIT: [{"limit": NOW + DAY}, {"task": TASK, "limit": NOW - DAY}],
    R.NO_RECEIPT: [{"task": TASK, "state": "Funded", "role": role} for role in ("employer", "worker")],
    R.NO_LOSS: [{"task": TASK}],
    R.NOT_COVERED: [{"task": TASK, "wanted_msat": 5_000_000, "budget_msat": 50_000, "covered_msat": 0}],
    R.NO_DEPOSIT: [{"task": TASK}],
    R.NOTHING_OWED: [{"task": TASK}, {"under_way_msat": 0}, {"under_way_msat": 50_500_000}],
    R.TOO_MUCH: [
        {"wanted_msat": 60_000_000, "budget_msat": 600_000, "available_msat": 50_500_000, "payable_msat": payable}
        for payable in (50_000_000, 0)
    ],
    R.TOO_MANY_WITHDRAWALS: [{"limit": 5}],
    R.RATE_LIMITED: [{"what": "messages", "wait": 60}],
    R.NEEDS_WORK: [{"bits": 20}],
    R.TOO_MANY_PROOFS: [{"limit": 3, "wait": 3600}],
    R.TOO_MANY_CLAIMS: [{"task": TASK, "limit": 3, "wait": 3600}],
    R.TOO_MANY_APPLICANTS: [{"task": TASK, "limit": 50}],
    R.TOO_MANY_QUOTES: [{"limit": 3, "wait": 3600}],
    R.PAUSED: [{}],
    R.BANNED: [{}],
    R.NO_ROOM: [
        {"task": TASK, "what": what, "amount_msat": 50_500_000}
        for what in ("no_inbound", "no_outbound", "no_slots", "held_ceiling")
    ],
    R.SAY_AGAIN: [{}, {"task": TASK}],
    R.NODE_AWAY: [{}],
    R.BROKEN: [{}, {"task": TASK}],
    T.HELP: [{"topic": None}, {"topic": "claim"}],
    T.TERMS: [
        TERMS,
        TERMS | {"play_money": False, "service_fee_ppm": 2500, "fetches_deliverables": True, "arbiters": ["x"]},
        TERMS | FEE_TERMS,
        TERMS | {"sees_parts": False, "limits_payouts": False, "paused": True},
        TERMS
        | {
            "currencies": ["INR", "NGN"],
            "rate_sources": ["one", "two", "three"],
            "rate_agree": 2,
            "rate_spread_percent": 3,
            "rate_age": 1800,
            "rate_expiry": 600,
        },
        TERMS | {"min_inbound_msat": 10**9, "min_outbound_msat": 10**9, "min_free_slots": 20, "max_held_msat": 10**10},
    ],
    T.TASKS: [
        {"tasks": [], "open": []},
        {"tasks": [STATUS], "open": [STATUS | {"role": None}]},
        {"tasks": [STATUS | FROZEN], "open": [STATUS | ESTIMATED]},
    ],
    T.STATUS: [
        STATUS,
        STATUS | {"phase": "settling", "until": None, "until_what": None, "proof": None, "worker": None},
        STATUS
        | {
            "state": "Paid",
            "may": ["history"],
            "step": 6,
            "proof": {**STATUS["proof"], "key_hash": SHA, "key": PREIMAGE},
        },
        STATUS | {"sealed": "accepted", "proof": None},
        STATUS | HOURS | {"hours_named": 1225},
        STATUS | BY_HOUR | {"hours": None, "milestone": 2, "milestones": [each | {"hours": 1250} for each in PARTS]},
        STATUS | FROZEN,
        STATUS | ESTIMATED | {"state": "Draft"},
        STATUS | {"frozen": True, "may": ["status"], "until": None, "until_what": None},
        STATUS | {"milestone": 2, "milestones": PARTS * 20, "step": 1, "steps": 40, "total_msat": 13_000_000},
        STATUS | {"state": "Paid", "may": ["history"], "credit_msat": 1000, "step": 6, "role": None, "until": None},
    ],
    T.OPTIONS: [
        CHOICE,
        CHOICE | {"recommended": "FIXED_PRICE", "plan": SHA, "by": WORKER},
        CHOICE | {"selected": "MILESTONE"},
        CHOICE | {"funding": "on_approval"},
        CHOICE | BY_HOUR | {"recommended": "HOURLY_RATE"},
        CHOICE | BY_HOUR | {"recommended": "HOURLY_RATE", "funding": "on_approval"},
        CHOICE | BY_HOUR | {"selected": "HOURLY_RATE"},
    ],
    T.PLAN_PROPOSED: [
        PLAN | hours | {"stage": stage}
        for stage in ("asked", "waiting")
        for hours in ({}, BY_HOUR, BY_HOUR | {"milestones": []})
    ],
    T.PLAN_AGREED: [
        PLAN | BY_HOUR | {"stage": "agreed"},
        PLAN | BY_HOUR | {"stage": "whole", "milestones": []},
        PLAN | BY_HOUR | {"stage": "whole", "milestones": [], "funding": "on_approval"},
        PLAN | {"stage": "agreed"},
        PLAN | {"stage": "begun", "funding": "on_approval"},
        PLAN | {"stage": "agreed", "on_reject": "dispute", "milestones": PARTS * 30},
    ],
    T.MILESTONE_RELEASED: [
        ABOUT
        | {
            "released": 1,
            "of": 2,
            "total_msat": 13_000_000,
            "hold_msat": 8_080_000,
            "upcoming": part,
            "funding": funding,
        }
        for part in PARTS
        for funding in ("upfront", "on_approval", "covered")
    ],
    T.PROJECT_COMPLETED: [
        ABOUT | {"of": 2, "total_msat": 13_000_000},
        ABOUT | {"of": 2, "total_msat": 13_000_000, "files": [{"url": PROOF["url"], "sha256": SHA}]},
    ],
    T.SAID: [ABOUT | {"by": WORKER, "words": "shall we begin with the design?"}],
    T.PASSED_ON: [ABOUT],
    T.HISTORY: [
        {
            "task": TASK,
            "entries": [
                {"seq": 1, "type": "task.created", "time": NOW, "state": "Draft", "id": ENTRY, "amount_msat": None},
                {
                    "seq": 2,
                    "type": "invoice.accepted",
                    "time": NOW,
                    "state": "Funded",
                    "id": ENTRY,
                    "amount_msat": 50_500_000,
                },
                {"seq": 3, "type": "proof.submitted", "time": NOW, "state": "Claimed", "id": ENTRY, "hours": 1250},
            ],
        }
    ],
    T.RECEIPT: RECEIPTS,
    T.HOLDS: [
        {"count": 0, "total_msat": 0, "height": 7, "holds": []},
        {"count": 200, "total_msat": 10**9, "height": None, "holds": [HOLD, HOLD | {"frozen": True, "age": None}] * 50},
    ],
    T.INCIDENTS: [
        {"count": 0, "incidents": []},
        {
            "count": 2,
            "incidents": [
                {"at": NOW, "code": "hold_lost", "task": TASK, "facts": {"amount_msat": 50_500_000}},
                {"at": NOW, "code": "input_stuck", "task": None, "facts": {"error": "KeyError"}},
            ],
        },
    ],
    T.BALANCE: [
        {"available_msat": 0, "payable_msat": 0, "payable_budget_msat": 0, "under_way_msat": 0, "withdrawals": []},
        {"available_msat": 900, "payable_msat": 0, "payable_budget_msat": 0, "under_way_msat": 0, "withdrawals": []},
        LEFT
        | {
            "under_way_msat": 40_400_000,
            "withdrawals": [
                {
                    "amount_msat": 40_000_000,
                    "budget_msat": 400_000,
                    "state": "in_flight",
                    "asked": NOW - 60,
                    "payment_hash": SHA,
                }
            ],
        },
    ],
    T.STATEMENT: [
        {"available_msat": 0, "lines": [], "earlier": 0},
        {
            "available_msat": 10_100_000,
            "earlier": 7,
            "lines": [
                {
                    "at": NOW,
                    "amount_msat": -40_400_000,
                    "balance_msat": 10_100_000,
                    "what": "withdrawal",
                    "task": None,
                    "payment_hash": SHA,
                },
                {
                    "at": NOW - 60,
                    "amount_msat": 50_500_000,
                    "balance_msat": 50_500_000,
                    "what": "change",
                    "task": TASK,
                    "payment_hash": None,
                },
            ],
        },
    ],
    T.CREATED: [
        {
            **ABOUT,
            **MONEY,
            **fee,
            "deadline": NOW + DAY,
            "custody": custody,
            "order": order,
            "claim": claim,
            "sealed": sealed,
            "funding": funding,
        }
        for sealed in ("refused", "accepted")
        for custody in ("hold", "ledger_at_claim", "ledger_at_end")
        for funding in ("upfront", "on_approval")
        for fee, order, claim in (
            ({}, "fund_first", "first"),
            (SHARED_FEE, "fund_first", "pick"),
            ({}, "hire_first", "first"),
            ({}, "hire_first", "pick"),
            (ESTIMATED, "fund_first", "first"),
            (BY_HOUR, "fund_first", "first"),
        )
    ],
    T.MAKING_INVOICE: [ABOUT],
    T.INVOICE: [
        ABOUT | INVOICED,
        ABOUT | INVOICED | SHARED_FEE,
        ABOUT | INVOICED | {"renews": True, "last_safe_height": 612},
        ABOUT | INVOICED | FROZEN,
        ABOUT | INVOICED | {"deposit_msat": 3_000_000},
    ],
    T.ROLLOVER_ASKED: [ABOUT | {"last_safe_height": 612}],
    T.ROLLED_OVER: [ABOUT | {"amount_msat": 50_500_000, "last_safe_height": 1112}],
    T.INVOICE_EXPIRED: [ABOUT],
    T.INVOICE_FAILED: [
        ABOUT | {"reason": "node"},
        ABOUT | COVER | {"reason": "node"},
        ABOUT
        | {"reason": "small_parts", "wanted_msat": 50_500_000, "got_msat": 50_500_000, "parts": 9, "min_part_msat": 5},
    ],
    T.WRONG_PAYMENT: [ABOUT | {"wanted_msat": 50_500_000, "got_msat": 50_500_001}],
    T.LOCKED: [
        ABOUT | {"amount_msat": 50_500_000, "payment_hash": SHA, "preimage": PREIMAGE},
        ABOUT | {"amount_msat": 50_500_000, "payment_hash": "", "preimage": ""},
    ],
    T.FUNDED: [
        {**ABOUT, "amount_msat": 50_500_000, "until": NOW + DAY, "deadline": NOW + 2 * DAY}
        | {"expiry_height": 964, "last_safe_height": 612, "claim": claim}
        for claim in ("first", "pick")
    ],
    T.APPLIED: [*WORK, WORK[0] | ESTIMATED | {"dropped_destination": True}],
    T.PROPOSED: [
        ABOUT | {"worker": WORKER, "note": note, "applicants": 3} for note in ("", "I have done ten of these.")
    ],
    T.WITHDRAWN: [ABOUT | {"worker": WORKER, "applicants": left} for left in (0, 2)],
    T.PASSED_OVER: [ABOUT],
    T.ACCEPTED: [
        *WORK,
        WORK[0] | BY_HOUR,
        WORK[0] | ESTIMATED | {"dropped_destination": True},
        WORK[0] | {"funding": "on_approval"},
    ],
    T.ACCEPTED_BY: [
        ABOUT | {"worker": WORKER, "note": note, "funding": funding}
        for note in ("", "I have done ten of these.")
        for funding in ("upfront", "on_approval")
    ],
    T.CLAIMED: [
        each | {"how": how}
        for how in ("claim", "hire", "funded", "begun")
        for each in (*WORK, WORK[0] | FROZEN, WORK[0] | BY_HOUR)
    ],
    T.CLAIMED_BY: [
        ABOUT | {"how": how, "worker": WORKER, "deadline": NOW + DAY, "custody": "hold", "note": note}
        for how, note in (
            ("claim", ""),
            ("claim", "I have done ten of these."),
            ("hire", ""),
            ("funded", ""),
            ("begun", ""),
        )
    ],
    T.AWAITING_PAYMENT: [
        ABOUT
        | {"pays": True, "amount_msat": 50_500_000, "until": NOW + 2 * DAY, "percent": 100, "feedback": "Well done"},
        ABOUT
        | {"pays": False, "amount_msat": 50_000_000, "until": NOW + 2 * DAY, "percent": 100, "feedback": "Well done"},
        ABOUT | {"pays": False, "amount_msat": 15_000_000, "until": NOW + 2 * DAY, "percent": 30, "feedback": ""},
    ],
    T.PAYMENT_HELD: [ABOUT | {"amount_msat": 50_500_000}],
    T.ABANDONED: [
        ABOUT | {"refunding": True},
        ABOUT | {"refunding": False},
        ABOUT | {"refunding": False, "until": NOW + DAY},
        ABOUT | {"refunding": False, "until": None, "applicants": 2},
    ],
    T.DEPOSIT_OFFERED: [
        ABOUT | {"percent": 25, "deposit_msat": 5_000_000},
        ABOUT | ESTIMATED | {"percent": 25, "deposit_msat": 12_500_000},
    ],
    T.DEPOSIT_LATER: [ABOUT],
    T.PAYMENT_MISSED: [ABOUT | {"unpaid_msat": 38_000_000}],
    T.DEPOSIT_DECLINED: [ABOUT],
    T.DEPOSIT_INVOICE: [
        ABOUT
        | COVER
        | {"invoice": INVOICE, "payment_hash": SHA, "expires_at": NOW + 600, "hash_salt": SHA, "renews": renews}
        for renews in (False, True)
    ],
    T.DEPOSIT_EXPIRED: [ABOUT | COVER],
    T.DEPOSIT_HELD: [
        ABOUT | COVER | {"held_msat": 5_020_000},
        ABOUT | {"covers": "5000", "amount_msat": 5_000_000, "held_msat": 5_000_000},
    ],
    T.DEPOSIT_BACK: [ABOUT | COVER | {"reason": reason} for reason in ("hold_end", "too_short", "hold_lost")],
    T.HOURS_NOTED: [ABOUT | HOURS, ABOUT | FROZEN | HOURS | {"hourly_rate": "12.50", "hourly_unit": "INR"}],
    T.PROOF_CHECKING: [ABOUT | {"sha256": SHA}],
    T.PROOF_MISMATCHED: [ABOUT | {"url": PROOF["url"], "wanted": SHA, "got": "00" * 32}],
    T.PROOF_CHANGED: [ABOUT | PROOF | CHECKED, ABOUT | PROOF | CHECKED | HOURS, ABOUT | PROOF | CHECKED | SEAL],
    T.KEY: [ABOUT | SEAL | {"key": PREIMAGE}],
    T.KEY_LOST: [ABOUT | SEAL],
    T.PROOF_RECEIVED: [
        ABOUT
        | {"sha256": SHA, "review_until": NOW + DAY, "on_silence": silence, "key_hash": key_hash}
        | CHECKED
        | by_hour
        for silence, key_hash in (("approve", None), ("dispute", SHA))
        for by_hour in ({}, HOURS, HOURS | {"offers_dropped": True})
    ],
    T.PROOF_ARRIVED: [
        ABOUT | PROOF | {"review_until": NOW + DAY, "on_silence": "approve", "basis": ENTRY, "bot": BOT} | CHECKED,
        ABOUT
        | PROOF
        | {"review_until": NOW, "on_silence": "dispute", "check": "matched", "check_reason": "", "notes": ""},
        ABOUT | PROOF | {"review_until": NOW + DAY, "on_silence": "approve"} | CHECKED | SEAL,
        ABOUT | PROOF | {"review_until": NOW + DAY, "on_silence": "approve", "offers_dropped": True} | CHECKED | HOURS,
    ],
    T.APPROVED: [
        ABOUT | {"amount_msat": 50_000_000, "percent": 100, "feedback": "well done", "needs_destination": True},
        ABOUT | {"amount_msat": 50_000_000, "percent": 30, "feedback": "", "needs_destination": False},
    ],
    T.APPROVAL_NOTED: [ABOUT | {"amount_msat": 50_000_000}, ABOUT | {"amount_msat": 50_000_000, "silence": True}],
    T.REJECTED: [ABOUT | {"reason": "the form is missing.", "until": NOW + DAY}, ABOUT | {"reason": "no", "until": 0}],
    T.REJECTION_NOTED: [ABOUT | {"until": NOW + DAY}, ABOUT | {"until": 0}],
    T.REVIEW_PROLONGED: [ABOUT | {"until": NOW + DAY}],
    T.DISPUTE_OPENED: [
        ABOUT | {"by": EMPLOYER, "reason": "not what I asked for", "until": NOW + DAY, "last_safe_height": 612},
        ABOUT | {"by": None, "reason": "", "until": NOW + DAY, "last_safe_height": 612, "custody": "hold"},
        ABOUT | {"by": None, "reason": "", "until": None, "last_safe_height": 612, "custody": "ledger_at_end"},
        ABOUT | {"by": None, "reason": "", "until": NOW + 30 * DAY, "last_safe_height": None, "custody": "ledger"},
    ],
    T.DISPUTE_ENDED: [
        ABOUT | {"how": "agreement", "percent": 0, "reason": "agreed"},
        ABOUT | {"how": "agreement", "percent": 30, "share_msat": 15_000_000},
    ],
    T.CANCEL_OFFERED: [
        ABOUT | {"by": EMPLOYER, "percent": 30, "share_msat": 15_000_000, "reason": "a part is done"},
        ABOUT | {"by": WORKER, "percent": 0, "share_msat": 0, "reason": ""},
    ],
    T.DESTINATION_NEEDED: [ABOUT | {"amount_msat": 50_000_000, "reason": "invoice_expired"}],
    T.DESTINATION_NOTED: [ABOUT | {"amount_msat": 50_000_000}],
    T.PAYOUT_FAILED: [
        ABOUT | {"amount_msat": 50_000_000, "reason": reason, "fault": fault}
        for reason, fault in (("not_sent", "ours"), ("no_route", "theirs"))
    ],
    T.PAID_WORKER: [ABOUT | {"amount_msat": 50_000_000, "payment_hash": SHA, "preimage": PREIMAGE}],
    T.PAID_EMPLOYER: [
        ABOUT
        | {
            "amount_msat": 50_000_000,
            "hold_msat": 50_500_000,
            "service_fee_msat": fee,
            "payment_hash": SHA,
            "preimage": shown,
        }
        for fee, shown in ((0, PREIMAGE), (0, Secret("")), (500_000, PREIMAGE))
    ],
    T.CHANGE_OWED: [
        ABOUT | {"amount_msat": 34_000_000, "payable_msat": 33_663_000, "reason": "change"},
        ABOUT | {"amount_msat": 500, "payable_msat": 0, "reason": "change"},
    ],
    T.CREDITED: [
        ABOUT | {"amount_msat": 50_500_000, "payable_msat": 50_000_000, "reason": "unpaid at the end of the hold"}
    ],
    T.WITHDRAWAL_NOTED: [{"amount_msat": 40_000_000, "budget_msat": 400_000} | LEFT],
    T.WITHDRAWAL_DELAYED: [{"amount_msat": 40_000_000, "reason": "no_route", "until": NOW + DAY}],
    T.WITHDRAWAL_FAILED: [{"amount_msat": 40_000_000, "reason": "not_sent"} | LEFT],
    T.CREDIT_PAID: [
        {"amount_msat": 50_000_000, "fee_msat": fee, "payment_hash": SHA, "preimage": PREIMAGE} | LEFT
        for fee in (0, 7_000)
    ],
    T.REFUNDING: [ABOUT | {"reason": "cancelled"}, ABOUT | {"reason": "agreed", "how": "agreement", "percent": 0}],
    T.REFUNDED: [
        ABOUT | {"reason": "cancelled", "amount_msat": 0},
        ABOUT | {"reason": "hold_end", "marked": False, "amount_msat": 50_500_000},
        ABOUT
        | {
            "reason": "cancelled",
            "marked": False,
            "amount_msat": 0,
            "credited": [{"role": "employer", "amount_msat": 5}],
        },
    ],
    T.EXPIRED: [
        ABOUT | {"reason": "no_proof", "marked": True, "amount_msat": 50_500_000},
        ABOUT | {"reason": "unfunded", "marked": False},
        ABOUT | {"reason": "hold_lost"},
        ABOUT | {"reason": "unpaid", "unpaid_msat": 50_000_000},
    ],
    T.HOLD_LOST: [ABOUT],
    T.STRAY: [ABOUT | {"amount_msat": 50_500_000}],
    T.WARNING: [
        ABOUT | {"what": what, "until": NOW + 3600, "height": 612}
        for what in (
            "unfunded",
            "unclaimed",
            "deadline",
            "resubmit",
            "review",
            "unreachable",
            "hold_end",
            "payment",
            "unbegun",
        )
    ]
    + [
        ABOUT | {"what": "judgement", "until": NOW + 3600, "height": 612, "on_silence": on_silence}
        for on_silence in ("approve", "dispute")
    ],
    T.TASK_FROZEN: [ABOUT],
    T.TASK_UNFROZEN: [ABOUT | {"seconds": 7200, "deadline": NOW + DAY}],
    T.OPERATED: [ABOUT | {"action": "freeze"}, {"action": "pause"}, {"action": "ban", "who": WORKER}],
    T.INCIDENT: [{"task": TASK, "what": "hold_lost"}, {"what": "loss"}],
}
