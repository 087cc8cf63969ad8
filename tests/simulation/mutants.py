"""Bugs of this field, put into the engine one by one: the simulation must catch each, or it proves nothing.

python -m tests.simulation.mutants [--only NAME ...]: each bug in a copy of the sources, until a seed breaks a rule or its time is over.
make mutants ARGS='--only "two payouts of one share"'
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("bot", "handlers", "kinds", "storage", "verifier", "tests")
SEEDS, LIVES = 12, 100  # after the cities that run on every occasion
SECONDS = 600  # of one hunt: no city is begun later, but those


@dataclass(frozen=True)
class Mutant:
    """`edits`: (file, what stands there once, what the bug makes of it)."""

    name: str
    edits: tuple[tuple[str, str, str], ...]


MUTANTS = (
    Mutant(
        "settle before pay",
        (
            (
                "handlers/payout.py",
                "        return order(done.say(task.worker, Told.APPROVED, needs_destination=False, **facts))",
                "        done = done.say(task.worker, Told.APPROVED, needs_destination=False, **facts)\n"
                '        return ending.begin_settle(order(done), Cause.MARGIN, replace(moment, by="clock"), "early")',
            ),
            ("handlers/safety.py", "    paid = task.paid_share is not None", "    paid = True"),
        ),
    ),
    Mutant(
        "two payouts of one share",
        (
            (
                "handlers/payout.py",
                "    waiting = share.state is P.PLANNED or (share.state is P.CLAIMED and not share.ordered)",
                "    waiting = True",
            ),
            (
                "handlers/payout.py",
                "    over = P.FAILED if share.state is P.CLAIMED else P.ABANDONED",
                "    over = P.FAILED",
            ),
        ),
    ),
    Mutant(
        "refund after the payout started",
        (
            (
                "handlers/tick.py",
                "    return share is not None and (share.ordered or share.state is P.IN_FLIGHT)",
                "    return False",
            ),
            ("handlers/safety.py", '    if funding.goal == "cancel" and any(', "    if False and any("),
            ("handlers/check.py", '        if funding.goal == "cancel" and funding.state is F.ACCEPTED and any(', "        if False and any("),
            ("handlers/tick.py", "    return max(task.patience.since, task.patience.ours_at) + DAY", "    return task.patience.since + 600"),
        ),
    ),
    Mutant(
        "a hold goes into the books against the terms",
        (
            ("handlers/ledger.py", 'return begin(done, holds) if done.task.terms.custody_mode == "ledger" else done', "return begin(done, holds)"),
            ("handlers/ledger.py", '    if task.terms.custody_mode == "ledger":\n        return True', "    if True:\n        return True"),
            ("handlers/check.py", "    if task.locked != booked or (booked and not task.terms.outlasts_hold):", "    if task.locked != booked:"),
        ),
    ),
    Mutant(
        "what is in the books is cancelled at the node and forgotten",
        (
            (
                "handlers/crediting.py",
                '        done = credit(freed, Role.EMPLOYER, each.amount, "back from the books", each.milestone)\n',
                "        done = freed.on(freed.task.with_milestone(insurance=Msat(freed.task.current.insurance + each.amount)))\n",
            ),
        ),
    ),
    Mutant(
        "a deposit in the books is forgotten when its task ends",
        (
            (
                "handlers/transitions.py",
                "        done = out_of_the_books(done, [cover])\n",
                "        gone = done.task.with_funding(cover.ref, goal='cancel')\n"
                "        done = done.on(replace(gone, locked=gone.locked - cover.amount))\n",
            ),
        ),
    ),
    Mutant(
        "anybody may approve",
        (
            (
                "handlers/review.py",
                '    """The work is accepted, also after a reject or in a dispute: the worker is paid."""\n'
                "    need_role(task, said, Role.EMPLOYER)",
                '    """The work is accepted."""',
            ),
            ("handlers/transitions.py", "        raise IllegalMove(f\"{row.cause} by {moment.by[:8]}, but it takes {row.by}\")", "        return"),
        ),
    ),
    Mutant(
        "one side's offer is an agreement",
        (("handlers/dispute.py", "        if offered == percent:", "        if True:"),),
    ),
    Mutant(
        "one side's milestones are an agreement",
        (("handlers/plan.py", "    if wanted.by == said.by:", "    if False:"),),
    ),
    Mutant(
        "a wrong amount is kept",
        (("handlers/holds.py", "    if view.received != funding.amount:", "    if False:"),),
    ),
    Mutant(
        "an id is remembered before it is verified",
        (
            (
                "bot/relays/genuine.py",
                "        if self._verified.get(event.id) == event.sig and event.true_id == event.id:",
                "        if event.id in self._verified:\n"
                "            raise Dropped(Drop.FORGED)\n"
                "        self._verified[event.id] = event.sig\n"
                "        if event.sig == '':",
            ),
        ),
    ),
    Mutant(
        "deadline off by the margin",
        (
            (
                "handlers/task.py",
                "        return self.terms.last_safe(hold.expiry_height) if hold else 0",
                "        return hold.expiry_height if hold else 0",
            ),
        ),
    ),
    Mutant(
        "deadlines run while the daemon is deaf",
        (("kinds/inputs.py", "        return self.time - self.deaf", "        return self.time"),),
    ),
    Mutant(
        "no limit of the fee",
        (("handlers/safety.py", "        fee_limit=payout.budget,", "        fee_limit=payout.amount,"),),
    ),
    Mutant(
        "the payout's route may outlast the hold",
        (
            (
                "handlers/safety.py",
                "    limit = min(task.terms.payout_limit, hold.expiry_height - task.terms.margin - facts.height - 6)",
                "    limit = task.terms.payout_limit",
            ),
        ),
    ),
    Mutant(
        "the node is called without leave",
        (
            (
                "bot/outbox/money.py",
                '        key = f"effect:{order.n}:wanted:{order.tries}"',
                "        return True\n" '        key = f"effect:{order.n}:wanted:{order.tries}"',
            ),
        ),
    ),
    Mutant(
        "paid without a look at the hold",
        (
            (
                "handlers/safety.py",
                "    if hold is None or hold.status is not HoldStatus.HELD or not all(part.on_channel for part in hold.parts):",
                "    if hold is None:",
            ),
            ("handlers/safety.py", "    if hold.received + _kept(task) < payout.amount + payout.budget:", "    if False:"),
            (
                "handlers/safety.py",
                "    limit = min(task.terms.payout_limit, hold.expiry_height - task.terms.margin - facts.height - 6)",
                "    limit = task.terms.payout_limit",
            ),
        ),
    ),
    Mutant(
        "an old report overwrites a newer state",
        (
            ("handlers/payout.py", "    if payout.state.is_final:", "    if False:"),
            ("storage/triggers.py", "WHEN OLD.state IN ('complete', 'failed', 'abandoned') AND NEW.state != OLD.state", "WHEN 0"),
        ),
    ),
    Mutant(
        "the hold is settled, and what is unpaid forgotten",
        (
            (
                "handlers/ending.py",
                '        done = credit(done, Role.WORKER, owed, "unpaid at the end of the hold")',
                "        pass",
            ),
            ("handlers/check.py", "    if came != went + going + given + fee + insurance:", "    if False:"),
            ("handlers/check.py", "    if task.state is S.PAID and not _worker_has_his_share(task):", "    if False:"),
        ),
    ),
    Mutant(
        "the worker's part of the fee is not taken from him",
        (
            (
                "handlers/task.py",
                "        return Msat(part(reward, percent) - part(bears, percent))",
                "        return part(reward, percent)",
            ),
        ),
    ),
    Mutant(
        "the whole fee is taken for a part of the work",
        (
            (
                "handlers/task.py",
                "        return part(self.worked(self.service_fee), percent)",
                "        return self.service_fee",
            ),
        ),
    ),
    Mutant(
        "more is asked for than was approved",
        (("handlers/due.py", "asked=task.split", "asked=100"),),
    ),
    Mutant(
        "hours are not counted",
        (
            (
                "handlers/task.py",
                "        return hourly.part(whole, done, self.price_of(each)) if hourly and done else whole",
                "        return whole",
            ),
        ),
    ),
    Mutant(
        "a withdrawal is sent without leave",
        (
            (
                "bot/outbox/money.py",
                "        ask = RemitWanted(wish.owner, wish.ref) if isinstance(wish, Remit) else PayWanted(wish.ref)",
                "        if isinstance(wish, Remit):\n            return True\n        ask = PayWanted(wish.ref)",
            ),
        ),
    ),
    Mutant(
        "what sending did not cost is forgotten",
        (
            ("handlers/account.py", "    back = which.budget - fee\n", "    back = 0\n"),
            ("handlers/booking.py", "(after.budget - after.fee, \"fee_unused\")", "(0, \"fee_unused\")"),
        ),
    ),
    Mutant(
        "a withdrawal that failed does not come back",
        (
            ("handlers/account.py", "    back = which.amount + which.budget\n", "    back = 0\n"),
            ("handlers/booking.py", "else (whole, \"withdrawal_failed\")", "else (0, \"withdrawal_failed\")"),
        ),
    ),
    Mutant(
        "a price in a currency is rounded down",
        (
            (
                "kinds/rate.py",
                "        return sats(-(-amount * SATS_PER_BTC * part // (price * _whole(self.currency))))",
                "        return sats(amount * SATS_PER_BTC * part // (price * _whole(self.currency)))",
            ),
        ),
    ),
    Mutant(
        "an invoice at the rate of the offer",
        (
            ("handlers/funding.py", "    quoted = pricing.quote(before.task, moment)", "    quoted = before.task"),
            ("handlers/funding.py", "    if pricing.is_stale(made_now, moment):", "    if False:"),
        ),
    ),
    Mutant(
        "a deposit stays locked when the task is over",
        (("handlers/transitions.py", "    for cover in done.task.covers:", "    for cover in ():"),),
    ),
    Mutant(
        "only one of two holds is settled",
        (
            (
                "handlers/ending.py",
                'goal="settle")).do(SettleHold(hold.ref, hold.payment_hash))',
                'goal="settle")).do(SettleHold(holds[0].ref, holds[0].payment_hash))',
            ),
        ),
    ),
    Mutant(
        "nobody looks whether a relay still has what it took",
        (
            (
                "bot/outbox/publish.py",
                "            lost = [] if there.issuperset(ids) else [event_id for event_id in ids if event_id not in there]",
                "            lost: list[str] = []",
            ),
        ),
    ),
)  # fmt: skip


def hunt(mutant: Mutant) -> str:
    """The rule that caught it, or '' when none did. Raises ValueError for an edit that no longer fits the sources."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for package in PACKAGES:
            shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
        for file, old, new in mutant.edits:
            source = (copy / file).read_text()
            if source.count(old) != 1:
                raise ValueError(f"{mutant.name}: {file} does not hold this once: {old}")
            (copy / file).write_text(source.replace(old, new))
        seeds = [word for seed in range(1, SEEDS + 1) for word in ("--seed", str(seed))]
        command = [sys.executable, "-m", "tests.simulation", "--kept", "--jobs", "1", "--lives", str(LIVES), *seeds]
        command += ["--seconds", str(SECONDS)]
        try:
            done = subprocess.run(
                command, cwd=copy, capture_output=True, text=True, check=False, env=_here(copy), timeout=2 * SECONDS
            )
        except subprocess.TimeoutExpired:  # a city that never ends breaks no rule that could be named
            return ""
    found = re.search(r"^seed (\d+), .+?: (.*)$", done.stdout, re.MULTILINE)
    if done.returncode != 1 or found is None:
        return ""
    return f"seed {found[1]}: {found[2]}"


def _here(copy: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(copy), "PYTHONHASHSEED": "0"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants", description=__doc__)
    names = [mutant.name for mutant in MUTANTS]
    parser.add_argument("--only", action="append", choices=names, help="this bug; may be given several times")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="hunts at once")
    asked = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if not asked.only or mutant.name in asked.only]
    missed = 0
    with ThreadPoolExecutor(asked.jobs) as pool:
        for mutant, caught in zip(chosen, pool.map(hunt, chosen), strict=True):
            print(
                f"{'caught' if caught else 'MISSED'}  {mutant.name}" + (f"  ({caught[:110]})" if caught else ""),
                flush=True,
            )
            missed += not caught
    print(f"{len(chosen) - missed} of {len(chosen)} bugs caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
