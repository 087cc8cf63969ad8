"""The tables. Money is integer msat, times unix seconds unless named heard (hearing clock), heights blocks.

Append-only by trigger (`triggers`): heard, inputs, log, chain, payment_hashes, policies, acts, journals, postings.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

Money = BigInteger

heard = Table(  # every verified event, as it came, before it is opened
    "heard",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("kind", Integer, nullable=False),
    Column("pubkey", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("relay", Text, nullable=False),
    Column("at", BigInteger, nullable=False),  # the moment of hearing, which is that of its input
    Column("deaf", BigInteger, nullable=False),
    Column("height", Integer, nullable=False),
    Column("block", String(64), nullable=False),
    Column("raw", Text, nullable=False),
    Column("opened", Integer, nullable=False, server_default="0"),  # 0 waits for the signer, 1 opened, 2 unreadable
    Index("heard_unopened", "at", sqlite_where=text("opened = 0")),
    Index("heard_kind", "kind", "created_at"),
)

inputs = Table(  # everything that happens, in the order in which it is processed
    "inputs",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=True),
    Column("key", Text, nullable=False, unique=True),
    Column("sort", String(16), nullable=False),
    Column("task", String(13)),
    Column("by", String(64)),
    Column("body", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("height", Integer, nullable=False),
    Column("block", String(64), nullable=False),
    Column("deaf", BigInteger, nullable=False),
    Column("entropy", String(64), nullable=False),
    Column("policy", String(64), nullable=False),
    Column("state", String(8), nullable=False, server_default="new"),  # new, done, refused, stuck
    Column("result", Text, nullable=False, server_default=""),
    Index("inputs_new", "n", sqlite_where=text("state = 'new'")),
    Index("inputs_stuck", "n", sqlite_where=text("state = 'stuck'")),
    sqlite_autoincrement=True,
)

policies = Table(
    "policies",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", String(13), primary_key=True),
    Column("address", Text, nullable=False, unique=True),
    Column("pinned", String(64), nullable=False, unique=True),
    Column("root", String(64), nullable=False),  # what `e` of its log entries names
    Column("employer", String(64), nullable=False, index=True),
    Column("worker", String(64), index=True),
    Column("state", String(16), nullable=False),
    Column("phase", String(10), nullable=False),
    Column("open", Integer, nullable=False, server_default="0"),  # 1: there is a place for a worker
    Column("version", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("head", String(64), nullable=False),
    Column("state_at", BigInteger, nullable=False),  # created_at of its newest state event
    Column("due_heard", BigInteger, index=True),
    Column("due_time", BigInteger, index=True),
    Column("due_height", Integer, index=True),
    Column(
        "ticked", Text, nullable=False, server_default=""
    ),  # the last tick that was given, so that none is given twice
    Column("document", Text, nullable=False),
    Index("tasks_open", "state_at", sqlite_where=text("open = 1")),
    Index("tasks_unended", "id", sqlite_where=text("state not in ('Paid', 'Refunded', 'Expired')")),
)

allowed = Table(  # which state may follow which; filled again from the literal table at each start
    "allowed",
    metadata,
    Column("source", String(16), primary_key=True),
    Column("target", String(16), primary_key=True),
)

log = Table(
    "log",
    metadata,
    Column("task", String(13), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("type", String(24), nullable=False),
    Column("state", String(16), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("deaf", BigInteger, nullable=False),
    Column("height", Integer, nullable=False),
    Column("block", String(64), nullable=False),
)

chain = Table(  # the daemon's own chain, and the versions of its terms
    "chain",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("type", String(24), nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("facts", Text, nullable=False),
)

fundings = Table(
    "fundings",
    metadata,
    Column("ref", String(24), primary_key=True),
    Column("task", String(13), nullable=False, index=True),
    Column("state", String(10), nullable=False),
    Column("goal", String(8), nullable=False),
    Column("amount", Money, nullable=False),
    Column("payment_hash", String(64), nullable=False),
    Column("payer", String(64), nullable=False),
    Column("asked", BigInteger, nullable=False),
    Column("expiry_height", Integer, nullable=False),
    Column("seen", String(64), nullable=False, server_default=""),  # digest of the node's last word
    Column("looks", Integer, nullable=False, server_default="0"),  # how often its word has changed
    Column("milestone", Integer, nullable=False, server_default="1"),
    Column("held_at", BigInteger, nullable=False, server_default="0"),  # when it was first held; 0: never
    Column("ended_at", BigInteger, nullable=False, server_default="0"),  # settled, gone back, void or lost; 0: not yet
    Column("preimage", String(64), nullable=False, server_default=""),  # the payer's proof of payment, once settled
    Column("covers", BigInteger, nullable=False, server_default="0"),  # of a deposit: how much of its milestone's price
    Index("fundings_payer", "payer", "asked"),
    Index("fundings_watched", "ref", sqlite_where=text("state in ('created', 'pending', 'accepted', 'lost')")),
)

payouts = Table(
    "payouts",
    metadata,
    Column("ref", String(24), primary_key=True),
    Column("task", String(13), nullable=False, index=True),
    Column("role", String(10), nullable=False),
    Column("state", String(10), nullable=False),
    Column("amount", Money, nullable=False),
    Column("budget", Money, nullable=False),
    Column("fee", Money, nullable=False),
    Column("payment_hash", String(64), nullable=False),
    Column("milestone", Integer, nullable=False, server_default="1"),
    Column("to", String(64), nullable=False, server_default=""),
    Column("at", BigInteger, nullable=False, server_default="0"),  # when it was planned; 0: not known
    Column("ended_at", BigInteger, nullable=False, server_default="0"),
    Column("preimage", String(64), nullable=False, server_default=""),  # the payee's proof, once it has arrived
    Index(  # one active payout per milestone and role: rests on a hold, and is neither failed nor given up
        "payouts_active",
        "task",
        "milestone",
        "role",
        unique=True,
        sqlite_where=text("state in ('planned', 'claimed', 'in_flight', 'complete')"),
        postgresql_where=text("state in ('planned', 'claimed', 'in_flight', 'complete')"),
    ),
)

payment_hashes = Table(  # a hash is used once, across holds, payouts and withdrawals; of these, `task` is ""
    "payment_hashes",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("ref", String(24), nullable=False),
    Column("task", String(13), nullable=False),
)

accounts = Table(  # people's; what stands in one is said by `balances`
    "accounts",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("counter", Integer, nullable=False),
    Column("due_time", BigInteger, index=True),
    Column("ticked", Text, nullable=False, server_default=""),  # the last tick that was given
)

withdrawals = Table(
    "withdrawals",
    metadata,
    Column("ref", String(80), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("state", String(10), nullable=False),
    Column("open", Integer, nullable=False),  # 1 while it is under way
    Column("amount", Money, nullable=False),
    Column("budget", Money, nullable=False),
    Column("fee", Money, nullable=False),
    Column("payment_hash", String(64), nullable=False, index=True),
    Column("document", Text, nullable=False),
    Index("withdrawals_open", "owner", sqlite_where=text("open = 1")),
)

events = Table(  # what we publish: unsigned with its id, then signed once, sent until every listed relay has it
    "events",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("kind", Integer, nullable=False),
    Column("address", Text, nullable=False),  # of an addressable one: only its newest version is still sent
    Column("created_at", BigInteger, nullable=False),
    Column("body", Text, nullable=False),  # unsigned JSON, then signed JSON
    Column("signed", Integer, nullable=False, server_default="0"),
    Column("acked", Text, nullable=False, server_default=""),  # relays that have it, each followed by a newline
    Column("state", String(10), nullable=False, server_default="pending"),  # pending, done, superseded
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_at", BigInteger, nullable=False, server_default="0"),
    Index("events_pending", "next_at", sqlite_where=text("state = 'pending'")),
    Index("events_finished", "n", "kind", "state", "id", sqlite_where=text("state = 'done'")),  # an audit reads no body
    Index("events_address", "address", sqlite_where=text("address != '' and state != 'superseded'")),
    sqlite_autoincrement=True,
)

letters = Table(  # messages to people; the rumor is fixed, so that a re-send is the same message
    "letters",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=True),
    Column("source", Text, nullable=False, index=True),  # key of the input that caused it
    Column("task", String(13)),
    Column("to", String(64), nullable=False),
    Column("channel", String(6), nullable=False),  # nip17, nip04
    Column("relay", Text, nullable=False),  # where we last heard that person; "" when never
    Column("created_at", BigInteger, nullable=False),
    Column("reply_to", String(64), nullable=False, server_default=""),
    Column("text", Text, nullable=False),
    Column("ref", Text, nullable=False, server_default=""),
    Column("state", String(8), nullable=False, server_default="pending"),  # pending, done
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_at", BigInteger, nullable=False, server_default="0"),
    Index("letters_pending", "to", "next_at", "state", sqlite_where=text("state = 'pending'")),
    sqlite_autoincrement=True,
)

effects = Table(  # what the node and the web are asked to do; a row is the write-ahead intent
    "effects",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=True),
    Column("task", String(13), nullable=False),
    Column("sort", String(12), nullable=False),  # make_hold, settle, cancel, pay, fetch
    Column("ref", String(32), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(8), nullable=False, server_default="new"),  # new, started, done
    Column("started_at", BigInteger, nullable=False, server_default="0"),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("next_at", BigInteger, nullable=False, server_default="0"),
    Index("effects_open", "n", sqlite_where=text("state != 'done'")),
    sqlite_autoincrement=True,
)

people = Table(  # how somebody last spoke to us, and so how he is answered
    "people",
    metadata,
    Column("pubkey", String(64), primary_key=True),
    Column("channel", String(6), nullable=False),
    Column("form", String(4), nullable=False),
    Column("relay", Text, nullable=False),
    Column("relays", Text, nullable=False, server_default=""),  # his 10050 or 10002 read relays, a line each
    Column("at", BigInteger, nullable=False),
)

incidents = Table(
    "incidents",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("code", Text, nullable=False),
    Column("task", String(13)),
    Column("facts", Text, nullable=False),
    UniqueConstraint("code", "task", "facts"),
)

journals = Table(  # the books: a row for each step that moves money, written behind its postings; it closes them
    "journals",
    metadata,
    Column("n", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("task", String(13), nullable=False),  # whose step it is; "" of an account's
    Column("milestone", Integer, nullable=False, server_default="0"),  # of that task; 0 of an account's
    Index("journals_task", "task"),
)

postings = Table(  # the lines of a journal, which sum to zero; none is left without its journal at a commit
    "postings",
    metadata,
    Column("n", Integer, primary_key=True),
    Column(
        "journal",
        Integer,
        ForeignKey("journals.n", deferrable=True, initially="DEFERRED"),
        nullable=False,
        index=True,
    ),
    Column("account", Text, nullable=False),  # a sort, or sort:whose
    Column("amount", Money, nullable=False),
    Column("why", Text, nullable=False),
    Column("withdrawal", String(80), nullable=False),  # the one that it is about, or ""
    Index("postings_account", "account", "n"),
)

balances = Table(  # kept by trigger with each posting
    "balances",
    metadata,
    Column("account", Text, primary_key=True),
    Column("sort", Text, nullable=False),
    Column("amount", Money, CheckConstraint("amount >= 0 OR sort = 'node'", name="never_below_zero"), nullable=False),
)

totals = Table(  # the same over all accounts of a sort
    "totals",
    metadata,
    Column("sort", Text, primary_key=True),
    Column("amount", Money, nullable=False),
)

bans = Table(  # who may make no new agreements
    "bans",
    metadata,
    Column("pubkey", String(64), primary_key=True),
    Column("at", BigInteger, nullable=False),
)

acts = Table(  # what the operator did, and what became of it
    "acts",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("who", String(64), nullable=False),  # cli, or the key that wrote
    Column("what", Text, nullable=False),  # the command, in words
    Column("result", Text, nullable=False),  # done, or the refusal's code
    sqlite_autoincrement=True,
)

house = Table(  # a few facts about ourselves: hearing, cursors, heads
    "house",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

APPEND_ONLY = ("log", "chain", "payment_hashes", "policies", "acts", "journals", "postings")
NEVER_DELETED = (
    "heard", "inputs", "tasks", "fundings", "payouts", "effects", "incidents", "accounts", "withdrawals", "balances", "totals",
)  # fmt: skip
