"""People's accounts and books in double entry, in place of each task's own list of what it owes.

What tasks owed stands in the accounts of those to whom they owed it, with its fee budget; payouts of it, under way or over, become withdrawals.
The bookings of fees and insurance keep their times. What a payout of this kind has spared of its budget before went to the insurance
account and stays there.
"""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_SORT = "substr(NEW.account, 1, instr(NEW.account || ':', ':') - 1)"
TRIGGERS = [
    f"""
CREATE TRIGGER postings_balance AFTER INSERT ON postings BEGIN
INSERT OR IGNORE INTO balances (account, sort, amount) VALUES (NEW.account, {_SORT}, 0);
UPDATE balances SET amount = amount + NEW.amount WHERE account = NEW.account;
INSERT OR IGNORE INTO totals (sort, amount) VALUES ({_SORT}, 0);
UPDATE totals SET amount = amount + NEW.amount WHERE sort = {_SORT};
END
""",
    """
CREATE TRIGGER postings_open BEFORE INSERT ON postings WHEN EXISTS (SELECT 1 FROM journals WHERE n = NEW.journal)
BEGIN SELECT RAISE(ABORT, 'this journal is closed'); END
""",
    """
CREATE TRIGGER journals_balanced BEFORE INSERT ON journals
WHEN COALESCE((SELECT SUM(amount) FROM postings WHERE journal = NEW.n), 1) != 0
BEGIN SELECT RAISE(ABORT, 'the postings of a journal sum to zero'); END
""",
    """
CREATE TRIGGER withdrawals_final BEFORE UPDATE ON withdrawals WHEN OLD.open = 0
BEGIN SELECT RAISE(ABORT, 'a final withdrawal stays as it is'); END
""",
    """
CREATE TRIGGER withdrawals_fixed BEFORE UPDATE OF owner, amount, budget, payment_hash ON withdrawals
WHEN NEW.owner != OLD.owner OR NEW.amount != OLD.amount OR NEW.budget != OLD.budget OR NEW.payment_hash != OLD.payment_hash
BEGIN SELECT RAISE(ABORT, 'a withdrawal stays the one that it is'); END
""",
]
INPUTS_FIXED = """
CREATE TRIGGER inputs_fixed BEFORE UPDATE OF n, key, sort, "by", body, time, height, block, deaf, entropy, policy ON inputs
BEGIN SELECT RAISE(ABORT, 'what happened stays as it was'); END
"""


def _forbid(table: str, what: str) -> str:
    return (
        f"CREATE TRIGGER {table}_no_{what.lower()} BEFORE {what} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def upgrade() -> None:
    bind = op.get_bind()
    booked = bind.execute(sa.text("SELECT at, task, account, amount FROM bookings ORDER BY n")).all()
    _make_tables()
    for statement in TRIGGERS:
        bind.exec_driver_sql(statement.strip())
    for table in ("journals", "postings"):
        bind.exec_driver_sql(_forbid(table, "UPDATE"))
    for table in ("journals", "postings", "accounts", "withdrawals", "balances", "totals"):
        bind.exec_driver_sql(_forbid(table, "DELETE"))
    for row in booked:
        _journal(row.at, row.task, [_booking(row.account, row.amount)])
    moved: dict[str, dict[str, Any]] = {}
    for row in bind.execute(sa.text("SELECT id, state_at, document FROM tasks ORDER BY state_at, id")).all():
        document = json.loads(row.document)
        if document.get("credits") or any(payout.get("from_credit") for payout in document["payouts"]):
            moved |= {each["ref"]: each for each in _move(row.id, row.state_at, document)}
    _move_orders(moved)
    bind.exec_driver_sql("DROP INDEX payouts_active")
    bind.exec_driver_sql("DROP TRIGGER payouts_no_delete")
    bind.exec_driver_sql("DELETE FROM payouts WHERE from_credit = 1")
    bind.exec_driver_sql("ALTER TABLE payouts DROP COLUMN from_credit")
    active = sa.text("state in ('planned', 'claimed', 'in_flight', 'complete')")
    op.create_index(
        "payouts_active", "payouts", ["task", "role"], unique=True, sqlite_where=active, postgresql_where=active
    )
    bind.exec_driver_sql(_forbid("payouts", "DELETE"))
    op.drop_table("credits")
    op.drop_table("bookings")


def _make_tables() -> None:
    op.create_table(
        "accounts",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("counter", sa.Integer(), nullable=False),
        sa.Column("due_time", sa.BigInteger(), nullable=True),
        sa.Column("ticked", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("owner"),
    )
    op.create_index(op.f("ix_accounts_due_time"), "accounts", ["due_time"], unique=False)
    op.create_table(
        "withdrawals",
        sa.Column("ref", sa.String(length=80), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("open", sa.Integer(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("budget", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("payment_hash", sa.String(length=64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("ref"),
    )
    op.create_index("withdrawals_open", "withdrawals", ["owner"], unique=False, sqlite_where=sa.text("open = 1"))
    op.create_index(op.f("ix_withdrawals_payment_hash"), "withdrawals", ["payment_hash"], unique=False)
    op.create_table(
        "journals",
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("task", sa.String(length=13), nullable=False),
        sa.PrimaryKeyConstraint("n"),
    )
    op.create_table(
        "postings",
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("journal", sa.Integer(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("withdrawal", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["journal"], ["journals.n"], deferrable=True, initially="DEFERRED"),
        sa.PrimaryKeyConstraint("n"),
    )
    op.create_index("postings_account", "postings", ["account", "n"], unique=False)
    op.create_index(op.f("ix_postings_journal"), "postings", ["journal"], unique=False)
    op.create_table(
        "balances",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("sort", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount >= 0 OR sort = 'node'", name="never_below_zero"),
        sa.PrimaryKeyConstraint("account"),
    )
    op.create_table(
        "totals",
        sa.Column("sort", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sort"),
    )


Line = tuple[str, int, str, str]  # account, amount, why, withdrawal


def _booking(account: str, amount: int) -> Line:
    match account:
        case "fee":
            return "fees", amount, "fee", ""
        case "insurance":
            return "insurance", amount, "insured", ""
        case _:
            return "insurance", -amount, "compensation", ""


def _journal(at: int, task: str, lines: list[Line]) -> None:
    bind = op.get_bind()
    number = bind.execute(sa.text("SELECT COALESCE(MAX(n), 0) + 1 FROM journals")).scalar_one()
    outside = -sum(amount for _, amount, _, _ in lines)
    post = sa.text("INSERT INTO postings (journal, account, amount, why, withdrawal) VALUES (:j, :a, :m, :w, :r)")
    for account, amount, why, ref in [*lines, ("node", outside, "", "")]:
        if amount:
            bind.execute(post, {"j": number, "a": account, "m": amount, "w": why, "r": ref})
    if any(amount for _, amount, _, _ in lines):
        close = sa.text("INSERT INTO journals (n, at, task) VALUES (:n, :at, :task)")
        bind.execute(close, {"n": number, "at": at, "task": task})


def _move(task: str, at: int, document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Takes credits and their payouts out of a task's document and puts them where they belong now; the payouts."""
    bind = op.get_bind()
    given = [each for each in document["credits"] if each["amount"] > 0 and not each["why"].endswith(" failed")]
    document["credits"] = [
        {"role": each["role"], "to": each["to"], "amount": each["amount"] + each["budget"], "why": each["why"]}
        for each in given
    ]
    paid_out = [payout for payout in document["payouts"] if payout.get("from_credit")]
    document["payouts"] = [payout for payout in document["payouts"] if not payout.get("from_credit")]
    done = [payout for payout in paid_out if payout["state"] == "complete"]
    document["insurance"] -= sum(payout["budget"] - payout["fee"] for payout in done)
    _journal(at, task, [(f"party:{each['to']}", each["amount"], each["why"], "") for each in document["credits"]])
    for payout in paid_out:
        owner, whole, is_open = payout["to"], payout["amount"] + payout["budget"], payout["state"] not in _OVER
        _store(payout, owner, at, document["terms"]["payout_limit"], is_open)
        if payout["state"] not in ("failed", "abandoned"):
            lines: list[Line] = [(f"party:{owner}", -whole, "withdrawal", payout["ref"])]
            if is_open:
                lines.append((f"moving:{owner}", whole, "withdrawal", payout["ref"]))
            _journal(at, "", lines)
        yield payout
    retries = [payout["next_try"] for payout in document["payouts"] if payout["next_try"]]
    change = sa.text("UPDATE tasks SET document = :document, due_time = :due WHERE id = :id")
    bind.execute(change, {"document": json.dumps(document), "due": min(retries, default=None), "id": task})


_OVER = ("complete", "failed", "abandoned")


def _store(payout: dict[str, Any], owner: str, at: int, cltv_limit: int, is_open: bool) -> None:
    kept = (
        *("ref", "amount", "budget", "invoice", "payment_hash", "expires_at", "final_cltv", "state", "attempts"),
        *("ordered", "next_try", "fee", "preimage", "reason"),
    )
    document = {name: payout[name] for name in kept} | {"cltv_limit": cltv_limit, "asked": at}
    row = {name: payout[name] for name in ("ref", "state", "amount", "budget", "fee", "payment_hash")}
    row |= {"owner": owner, "open": int(is_open), "document": json.dumps(document)}
    names = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    bind = op.get_bind()
    bind.execute(sa.text(f"INSERT INTO withdrawals ({names}) VALUES ({values})"), row)
    account = sa.text("INSERT OR IGNORE INTO accounts (owner, version, counter) VALUES (:owner, 1, 0)")
    bind.execute(account, {"owner": owner})
    if is_open and payout["next_try"]:
        due = sa.text("UPDATE accounts SET due_time = MIN(COALESCE(due_time, :at), :at) WHERE owner = :owner")
        bind.execute(due, {"at": payout["next_try"], "owner": owner})


def _move_orders(moved: dict[str, dict[str, Any]]) -> None:
    """What is ordered of the node, and what it has said and nobody has heard yet, is about withdrawals now."""
    bind = op.get_bind()
    order = sa.text("UPDATE effects SET sort = 'remit', task = '', body = :body WHERE sort = 'pay' AND ref = :ref")
    for ref, payout in moved.items():
        body = {"owner": payout["to"], "ref": ref, "payment_hash": payout["payment_hash"]}
        bind.execute(order, {"body": json.dumps(body), "ref": ref})
    waiting = sa.text(
        "SELECT n, sort, body FROM inputs WHERE state IN ('new', 'stuck') AND sort IN ('pay_wanted', 'payment_seen')"
    )
    rows = [(row, json.loads(row.body)) for row in bind.execute(waiting).all()]
    bind.exec_driver_sql("DROP TRIGGER inputs_fixed")
    for row, body in rows:
        if body["ref"] in moved:
            sort = "remit_wanted" if row.sort == "pay_wanted" else "remit_seen"
            said = json.dumps({"owner": moved[body["ref"]]["to"], **body})
            change = sa.text("UPDATE inputs SET sort = :sort, body = :body, task = NULL WHERE n = :n")
            bind.execute(change, {"sort": sort, "body": said, "n": row.n})
    bind.exec_driver_sql(INPUTS_FIXED.strip())
