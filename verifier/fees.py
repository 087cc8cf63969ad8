"""The service fee as the verifier reckons it by itself, from what the task's first entry says of it; all amounts msat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NONE: dict[str, Any] = {
    "service_fee_ppm": 0,
    "service_fee_base_msat": 0,
    "service_fee_minimum_msat": 0,
    "service_fee_payer": "employer",
    "insurance_percent": 0,
}
"""The fee terms by their names in the operator's terms and in task.created; where one is missing, it is this."""

WORKERS_PARTS = {"employer": 0, "split": 2, "worker": 1}  # divisors of the fee; 0: nothing


@dataclass(frozen=True, slots=True)
class ServiceFee:
    """What a task costs beside reward and routing when the whole reward is the worker's, and the worker's part of that."""

    whole: int = 0
    of_worker: int = 0
    insured_percent: int = 0

    def insured(self, due: int) -> int:
        """Of the fee of a share."""
        return due * self.insured_percent // 100


FREE = ServiceFee()


def part(amount: int, percent: int) -> int:
    """So much of an amount, rounded down to the sat; all of it to the msat."""
    return amount if percent == 100 else amount * percent // 100 // 1000 * 1000


def terms_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: facts.get(name, nothing) for name, nothing in NONE.items()}


def problem(facts: Mapping[str, Any]) -> str:
    """What is wrong with the fee terms themselves, or ''."""
    said = [name for name in NONE if name in facts]
    if said and len(said) < len(NONE):
        return f"of the fee's terms only {', '.join(said)} are named"
    terms = terms_of(facts)
    if terms["service_fee_payer"] not in WORKERS_PARTS:
        return "the service fee is paid by the employer, by the worker, or split"
    if terms["service_fee_base_msat"] % 1000 or terms["service_fee_minimum_msat"] % 1000:
        return "a service fee is whole sats"
    return ""


def service_fee(facts: Mapping[str, Any]) -> ServiceFee:
    """Base and percentage, the latter rounded down to the sat, and no less than the minimum; of an odd sat the worker has the
    smaller half."""
    terms = terms_of(facts)
    share = facts["reward_msat"] * terms["service_fee_ppm"] // 1_000_000 // 1000 * 1000
    whole = max(terms["service_fee_minimum_msat"], terms["service_fee_base_msat"] + share)
    divisor = WORKERS_PARTS.get(terms["service_fee_payer"], 0)
    return ServiceFee(whole, whole // divisor // 1000 * 1000 if divisor else 0, terms["insurance_percent"])
