"""What was paid out of people's accounts, as the daemon's own chain shows it, against what tasks have put there.

Each payment out names how many credits its receiver had until then and their sum. So a reader who lacks some tasks' logs knows that
he does, and takes nothing for wrong that he cannot see; and who has them all sees that nobody was paid what no task gave him.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from verifier.chain import Chain, Entry, check_facts
from verifier.crypto import opens
from verifier.findings import Code, Finding, Notes
from verifier.rules import ACCOUNT_FACTS
from verifier.standing import Book, Credit, Standing

PAID = "account.paid"


def check(chain: Chain, judged: Iterable[Standing], book: Book, notes: Notes, all_tasks: bool) -> None:
    """`all_tasks` is False when only some of them were asked for: then what tasks gave is not compared."""
    given: dict[str, list[int]] = defaultdict(list)
    for s in judged:
        for credit in _credits(s):
            given[credit.to].append(credit.amount)
    paid: dict[str, int] = defaultdict(int)
    said: dict[str, tuple[int, int]] = {}  # credits and their sum, as named last
    for entry in chain.entries:
        if entry.type == PAID:
            _check(entry, given, paid, said, book, notes, all_tasks)


def _credits(s: Standing) -> Iterable[Credit]:
    return (credit for credits in s.credits.values() for credit in credits)


def _check(
    entry: Entry,
    given: dict[str, list[int]],
    paid: dict[str, int],
    said: dict[str, tuple[int, int]],
    book: Book,
    notes: Notes,
    all_tasks: bool,
) -> None:
    def say(code: Code, detail: str) -> None:
        notes.violations.append(Finding(code, detail, "", entry.seq, entry.id))

    facts = entry.facts
    problem, _ = check_facts(facts, ACCOUNT_FACTS)
    if problem:
        return say(Code.BAD_FACTS, problem)
    who, count, credited = facts["to"], facts["credits"], facts["credited_msat"]
    if not opens(facts["preimage"], facts["payment_hash"]):
        say(Code.WRONG_PREIMAGE, "the preimage does not hash to the payment hash")
    by = f"the daemon's own chain, #{entry.seq}"
    if book.hashes.setdefault(facts["payment_hash"], by) != by:
        say(Code.HASH_REUSED, f"this payment hash was used by {book.hashes[facts['payment_hash']]}")
    if facts["amount_msat"] == 0:
        say(Code.WRONG_AMOUNT, "a payment of nothing")
    before = said.get(who, (0, 0))
    if count < before[0] or credited < before[1] or (count == before[0]) != (credited == before[1]):
        say(Code.UNBALANCED, "what was put to an account does not become less, nor more without a credit")
    said[who] = (count, credited)
    paid[who] += facts["amount_msat"] + facts["fee_msat"]
    if paid[who] > credited:
        say(Code.UNBALANCED, f"{paid[who]} msat were paid out of an account to which {credited} were put")
    if not all_tasks or sum(given[who]) >= credited:
        return
    if len(given[who]) < count:
        detail = f"{count} credits to {who[:8]} are named, and {len(given[who])} are at hand: it cannot be checked"
        notes.warnings.append(Finding(Code.CREDITS_UNSEEN, detail, "", entry.seq, entry.id))
    else:
        say(Code.UNBALANCED, f"tasks have put {sum(given[who])} msat to this account, and {credited} are named")
