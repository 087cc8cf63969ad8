"""The pure core stays pure, and its words are those of the design."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import handlers
import kinds
from kinds.codes import Refused, Told
from kinds.states import DisputeState, FundingState, LogType, PayoutState, Phase, Role, TaskState, WorkState
from kinds.wording import en

# Modules of the standard library and of others that a pure room may use. Everything that is not here needs a reason.
ALLOWED = {
    "__future__", "abc", "ast", "base64", "binascii", "bisect", "collections", "dataclasses", "datetime", "decimal", "difflib",
    "enum", "fractions", "functools", "hashlib", "hmac", "html", "inspect", "itertools", "json", "math", "operator", "re", "shlex", "string",
    "textwrap", "types", "typing", "unicodedata", "bech32", "pydantic", "pydantic_core", "secp256k1", "segno",
}  # fmt: skip
NEVER = {"open", "print", "input", "exec", "eval", "__import__", "globals", "breakpoint"}
NEVER_ATTRIBUTES = {
    "now", "utcnow", "today", "urandom", "token_bytes", "token_hex", "time_ns", "monotonic", "getenv", "environ", "read_text",
    "write_text", "read_bytes", "write_bytes",
}  # fmt: skip


def modules() -> Iterator[tuple[str, Path]]:
    for room in (kinds, handlers):
        folder = Path(str(room.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            yield str(path.relative_to(folder.parent)), path


MODULES = dict(modules())


@pytest.mark.parametrize("name", MODULES)
def test_no_clock_no_chance_no_input_or_output(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            named = {(node.module or "").split(".")[0]}
        else:
            named = set()
        below = {"kinds"} if name.startswith("kinds") else {"kinds", "handlers"}
        assert named <= ALLOWED | below, f"{name} imports {named - ALLOWED - below}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in NEVER, f"{name}:{node.lineno} calls {node.func.id}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            dated = node.value.id in ("datetime", "date", "time", "os", "random", "secrets", "uuid")
            assert not (dated and node.attr in NEVER_ATTRIBUTES), f"{name}:{node.lineno} {node.value.id}.{node.attr}"
        assert not isinstance(node, (ast.AsyncFunctionDef, ast.Await, ast.Global)), f"{name}:{node.lineno}"


# The closed lists as the design gives them (lifecycle.md, protocol.md, architecture.md).
WORDS = {
    TaskState: "Draft PendingFunding Funded Claimed Verified Paid Refunded Disputed Expired",
    WorkState: "PENDING IN_PROGRESS SUBMITTED APPROVED RELEASED REJECTED",
    # `making` stands before the invoice exists, `lost` is the end that nobody asked for
    FundingState: "making created pending accepted settled cancelled expired failed lost",
    PayoutState: "planned claimed in_flight complete failed abandoned",
    DisputeState: "open voting resolved",
    Role: "employer worker",
    LogType: """
        task.created task.accepted task.claimed task.abandoned task.expired task.frozen task.unfrozen claim.offered
        plan.proposed plan.agreed cancel.offered invoice.created invoice.accepted invoice.expired funding.failed funding.stray
        deposit.offered deposit.accepted deposit.declined deposit.returned rollover.asked rollover.completed ledger.locked proof.submitted
        proof.verified proof.rejected review.prolonged payout.failed payment.missed settlement.started settlement.completed
        refund.started refund.completed dispute.opened dispute.vote dispute.resolved dispute.appealed hold.lost incident
        compensation rating receipt
    """,
}


@pytest.mark.parametrize("words", WORDS, ids=lambda words: str(words.__name__))
def test_the_closed_words(words: type[TaskState]) -> None:
    assert {str(word) for word in words} == set(WORDS[words].split())


def test_the_phases_are_no_public_states() -> None:
    assert {str(phase) for phase in Phase} == {"", "settling", "refunding", "awaiting_payment"}
    assert not {str(phase) for phase in Phase} & {str(state) for state in TaskState}


def test_codes_are_stable_words_and_every_one_has_a_sentence() -> None:
    for codes in (Refused, Told):
        for code in codes:
            assert re.fullmatch(r"[a-z][a-z0-9_]*", str(code))
            assert str(code) == code.name.lower()
            assert en.sentence(code, {}, 0)
    assert {"not_your_task", "wrong_state", "bad_invoice", "amount_mismatch", "too_late", "rate_limited", "paused"} <= {
        str(code) for code in Refused
    }


def test_every_code_that_the_rules_use_exists() -> None:
    """A misspelt code would be an AttributeError in a rare branch."""
    for name, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                closed = {"Refused": Refused, "Told": Told, "LogType": LogType}.get(node.value.id)
                assert closed is None or node.attr.startswith("_") or hasattr(closed, node.attr), (
                    f"{name}:{node.lineno}"
                )
