"""Aggregates and inputs as text, by pydantic's adapters over our own dataclasses: one definition, no second shape."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import OrderedDict
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from handlers.account import Withdrawal
from handlers.decision import CancelHold, Effect, Fetch, MakeHold, Pay, Remit, SettleHold
from handlers.policy import Policy
from handlers.task import Task
from kinds.events import canonical_json
from kinds.inputs import (
    AccountDue,
    Fetched,
    HoldMade,
    HoldSeen,
    PaymentSeen,
    PayWanted,
    Reached,
    RemitSeen,
    RemitWanted,
    Tick,
)

_task = TypeAdapter(Task)
_REMEMBERED = 512
_kept: OrderedDict[str, Task] = OrderedDict()  # what was stored last, by its document
_withdrawal = TypeAdapter(Withdrawal)
_policy = TypeAdapter(Policy)

EFFECTS: dict[str, type[Effect]] = {
    "make_hold": MakeHold,
    "settle": SettleHold,
    "cancel": CancelHold,
    "pay": Pay,
    "fetch": Fetch,
    "remit": Remit,
}
Fact = HoldMade | HoldSeen | PayWanted | PaymentSeen | Fetched | Reached | Tick | RemitWanted | RemitSeen | AccountDue
FACTS: dict[str, type[Fact]] = {
    "hold_made": HoldMade,
    "hold_seen": HoldSeen,
    "pay_wanted": PayWanted,
    "payment_seen": PaymentSeen,
    "fetched": Fetched,
    "reached": Reached,
    "tick": Tick,
    "remit_wanted": RemitWanted,
    "remit_seen": RemitSeen,
    "account_due": AccountDue,
}
_adapters: dict[type, TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in (*EFFECTS.values(), *FACTS.values())}
_names: dict[type, str] = {kind: name for name, kind in (*EFFECTS.items(), *FACTS.items())}


def task_text(task: Task) -> str:
    return _task.dump_json(task).decode()


def kept_text(task: Task) -> str:
    """The same of one that is about to be stored, and will mostly be asked for next: it is remembered by its text, so that it
    never stands for what another writer has stored, or for what was there before a transaction that was taken back."""
    document = task_text(task)
    _kept[document] = task
    if len(_kept) > _REMEMBERED:
        _kept.popitem(last=False)
    return document


def read_task(document: str) -> Task:
    return _kept.get(document) or _read_task(document)


@lru_cache(maxsize=_REMEMBERED)  # a task is a value, and the one that was read last is mostly asked for again
def _read_task(document: str) -> Task:
    return _task.validate_json(document)


def forget_tasks() -> None:
    """From now on each is read from its document, as by a process that has just begun."""
    _kept.clear()
    _read_task.cache_clear()


def withdrawal_text(withdrawal: Withdrawal) -> str:
    return _withdrawal.dump_json(withdrawal).decode()


def read_withdrawal(document: str) -> Withdrawal:
    return _withdrawal.validate_json(document)


def sort_of(value: Effect | Fact) -> str:
    return _names[type(value)]


def body_of(value: Effect | Fact) -> str:
    return _adapters[type(value)].dump_json(value).decode()


def read_effect(sort: str, body: str) -> Effect:
    effect: Effect = _adapters[EFFECTS[sort]].validate_json(body)
    return effect


def read_fact(sort: str, body: str) -> Fact:
    fact: Fact = _adapters[FACTS[sort]].validate_json(body)
    return fact


def policy_text(policy: Policy) -> str:
    return canonical_json(dataclasses.asdict(policy))


def policy_id(policy: Policy) -> str:
    return hashlib.sha256(policy_text(policy).encode()).hexdigest()


def read_policy(body: str) -> Policy:
    return _policy.validate_json(body)
