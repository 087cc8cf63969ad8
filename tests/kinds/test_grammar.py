"""Text and JSON to commands and back: what people write is understood, and what could mean money otherwise is refused."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinds.codes import BadWord, Refused
from kinds.commands import (
    COMMANDS,
    PLANNED,
    Abandon,
    Approve,
    Cancel,
    Claim,
    Command,
    Dispute,
    Fund,
    Help,
    History,
    Payout,
    Post,
    Reject,
    Status,
    Submit,
    Tasks,
    TermsAsked,
)
from kinds.commands.usage import usage
from kinds.events import MAX_CONTENT
from kinds.grammar import help_for, read_command_json, read_command_text, read_message, write_json, write_text
from kinds.units import EventId, task_id

TASK = task_id(EventId("ab" * 32))
SHA = "cd" * 32


def refusal(text: str) -> BadWord:
    with pytest.raises(BadWord) as caught:
        read_message(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("help", Help()),
        ("  /HELP claim\n", Help(topic="claim")),
        ("\u200b!Tasks\ufeff", Tasks()),
        ("\u00a0terms\u3000", TermsAsked()),
        (f"status {TASK}", Status(task=TASK)),
        (f"Status\n{TASK.upper()}", Status(task=TASK.upper())),
        (f"history {TASK[:4]}", History(task=TASK[:4])),
        (f"fund {TASK}", Fund(task=TASK)),
        (f"fund {TASK} onchain", Fund(task=TASK, mode="onchain")),
        (f"cancel {TASK}", Cancel(task=TASK)),
        (f"cancel {TASK} 30% we agreed", Cancel(task=TASK, percent=30, reason="we agreed")),
        (f"cancel {TASK} 30 we agreed", Cancel(task=TASK, percent=30, reason="we agreed")),
        (f"cancel {TASK} 0", Cancel(task=TASK, percent=0)),
        (f"cancel {TASK} we\nagreed", Cancel(task=TASK, reason="we\nagreed")),
        (f'cancel {TASK} "30 days late"', Cancel(task=TASK, reason="30 days late")),
        (f"claim {TASK}", Claim(task=TASK)),
        (f"claim {TASK}\nlightning:LNBC1XYZ", Claim(task=TASK, destination="lightning:LNBC1XYZ")),
        (f"claim {TASK} dest_hash={SHA}", Claim(task=TASK, dest_hash=SHA)),
        (f"submit {TASK} https://x.y/a?b=c {SHA.upper()}", Submit(task=TASK, url="https://x.y/a?b=c", sha256=SHA)),
        (
            f"submit {TASK} https://x.y {SHA} mime=text/html see page=2",
            Submit(task=TASK, url="https://x.y", sha256=SHA, mime="text/html", notes="see page=2"),
        ),
        (f"abandon {TASK}", Abandon(task=TASK)),
        (f"approve {TASK} “well done”", Approve(task=TASK, feedback="well done")),
        (f'approve {TASK} "good" and "fast"', Approve(task=TASK, feedback='"good" and "fast"')),
        (f"reject {TASK} the form = missing", Reject(task=TASK, reason="the form = missing")),
        (f"dispute {TASK} no answer 👩‍👩‍👧", Dispute(task=TASK, reason="no answer 👩‍👩‍👧")),
        (f"payout {TASK} lnbc1 salt={SHA}", Payout(task=TASK, destination="lnbc1", salt=SHA)),
        ('post 50000 sats "A page" deadline=3d', Post(amount=50000, title="A page", terms={"deadline": "3d"})),
        ("post 50k SAT „A page“", Post(amount=50000, currency="SAT", title="A page")),
        ("post 50,000 «A page» Deadline=3d", Post(amount=50000, title="A page", terms={"deadline": "3d"})),
        ("post 50_000 deadline=3d Build a page", Post(amount=50000, title="Build a page", terms={"deadline": "3d"})),
        (r'post 7 "say \"hi\" in C:\tmp"', Post(amount=7, title=r'say "hi" in C:\tmp')),
        ('post 5 usd "x"', Post(amount=5, currency="usd", title="x")),
        ('post 12.50 USD "x"', Post(amount="12.50", currency="USD", title="x")),
        (
            'post 1,250.5 kwd deadline=3d "x"',
            Post(amount="1250.5", currency="kwd", title="x", terms={"deadline": "3d"}),
        ),
        (
            'post 5 "x" description="two words" max_rejects=2',
            Post(amount=5, title="x", terms={"description": "two words", "max_rejects": "2"}),
        ),
    ],
)
def test_text_is_understood(text: str, command: Command) -> None:
    spoken = read_message(text)
    assert spoken.command == command
    assert type(spoken.command) is type(command)
    assert spoken.form == "text"


@pytest.mark.parametrize(
    ("text", "code", "facts"),
    [
        ("", Refused.UNKNOWN_COMMAND, {"word": "", "near": []}),
        ("   \n", Refused.UNKNOWN_COMMAND, {"word": "", "near": []}),
        ("cliam x", Refused.UNKNOWN_COMMAND, {"word": "cliam", "near": ["claim"]}),
        ("fund=x", Refused.UNKNOWN_COMMAND, {}),
        ("🎉" * 100, Refused.UNKNOWN_COMMAND, {"word": "🎉" * 40}),
        ("vote x 25", Refused.NOT_BUILT, {"what": "the command vote"}),
        ("claim", Refused.BAD_USAGE, {"action": "claim", "usage": "claim ID [DESTINATION]"}),
        (f"fund {TASK} {'x' * 60_000}", Refused.BAD_FIELD, {"field": "mode"}),
        (f"claim {TASK} a b", Refused.BAD_USAGE, {"action": "claim"}),
        (f"reject {TASK}", Refused.BAD_USAGE, {"problem": "the reason is missing"}),
        (f"submit {TASK} https://x.y", Refused.BAD_USAGE, {"problem": "the sha256 is missing"}),
        (f"submit {TASK} https://x.y {SHA} mime=a/b mime=a/c", Refused.BAD_USAGE, {"problem": "mime is given twice"}),
        (f"submit {TASK} ftp://x {SHA}", Refused.BAD_URL, {"field": "url"}),
        (f"submit {TASK} https://x.y {SHA[1:]}", Refused.BAD_HASH, {"field": "sha256"}),
        (f"submit {TASK} https://x.y {SHA} mime=html", Refused.BAD_FIELD, {"field": "mime"}),
        ("status 7qk2m0x9t4h1a", Refused.BAD_FIELD, {"field": "task"}),
        ("status ../../etc", Refused.BAD_FIELD, {"field": "task"}),
        (f"cancel {TASK} 101", Refused.BAD_FIELD, {"field": "percent"}),
        (f"cancel {TASK} -5", Refused.BAD_FIELD, {"field": "percent"}),
        (f"cancel {TASK} 33.3 x", Refused.BAD_FIELD, {"field": "percent"}),
        (f"cancel {TASK} ٣٠", Refused.BAD_FIELD, {"field": "percent"}),
        (f"cancel {TASK} ½", Refused.BAD_FIELD, {"field": "percent"}),
        (f"cancel {TASK} give him 50%", Refused.BAD_USAGE, {"action": "cancel"}),
        *(
            (f'post {amount} "x"', Refused.BAD_AMOUNT, {})
            for amount in ("-5", "1.", ".5", "1.5555", "12,5", "1.5k", "1e5", "x", "NaN", "٥٠", "5" * 5000, "0x5")
        ),
        ('post 50 000 "x"', Refused.BAD_USAGE, {"action": "post"}),
        ("post 500 all my photos sorted", Refused.BAD_USAGE, {"action": "post"}),
        ("post 500 INR my photos sorted", Refused.BAD_USAGE, {"action": "post"}),
        ("post 50 000 page", Refused.BAD_USAGE, {"action": "post"}),
        ("post 50 Build 'it' \"now\"", Refused.BAD_USAGE, {"action": "post"}),
        ("post 50 sats", Refused.BAD_USAGE, {"problem": "the title is missing"}),
        (f'post 5 "{"x" * 201}"', Refused.BAD_FIELD, {"field": "title"}),
        ('post 5 ""', Refused.BAD_FIELD, {"field": "title"}),
        ("x" * (MAX_CONTENT + 1), Refused.TOO_LONG, {"limit": MAX_CONTENT}),
        ("ü" * MAX_CONTENT, Refused.TOO_LONG, {}),
        ("help " + "x" * 1_000_000, Refused.TOO_LONG, {}),
    ],
)
def test_bad_text_is_refused(text: str, code: Refused, facts: dict[str, Any]) -> None:
    refused = refusal(text)
    assert (refused.code, refused.form) == (code, "text")
    assert facts.items() <= refused.facts.items()


@pytest.mark.parametrize(
    ("said", "code", "facts"),
    [
        ("{", Refused.BAD_JSON, {}),
        ('{"v":1,"action":"fund","action":"cancel"}', Refused.BAD_JSON, {}),
        ('{"v":1,"action":"cancel","percent":NaN}', Refused.BAD_JSON, {}),
        ('{"v":' + "[" * 50_000, Refused.BAD_JSON, {}),
        ("{" + " " * 1_000_000 + "}", Refused.TOO_LONG, {}),
        ({"action": "tasks"}, Refused.BAD_FIELD, {"field": "v"}),
        ({"v": True, "action": "tasks"}, Refused.BAD_FIELD, {"field": "v"}),
        ({"v": 2, "action": "tasks"}, Refused.BAD_FIELD, {"field": "v"}),
        ({"v": 1}, Refused.BAD_FIELD, {"field": "action"}),
        ({"v": 1, "action": ["fund"]}, Refused.BAD_FIELD, {"field": "action"}),
        ({"v": 1, "action": "Fund"}, Refused.UNKNOWN_COMMAND, {"near": ["fund"]}),
        ({"v": 1, "action": "\ud800"}, Refused.UNKNOWN_COMMAND, {}),
        ({"v": 1, "action": "vote"}, Refused.NOT_BUILT, {}),
        ({"v": 1, "action": "fund"}, Refused.BAD_FIELD, {"field": "task", "problem": "it is missing"}),
        ({"v": 1, "action": "fund", "task": 5}, Refused.BAD_FIELD, {"field": "task", "problem": "it must be text"}),
        ({"v": 1, "action": "fund", "task": "\ud800"}, Refused.BAD_FIELD, {}),
        ({"v": 1, "action": "tasks", "x": 1}, Refused.BAD_FIELD, {"field": "x", "problem": "there is no such field"}),
        ({"v": 1, "action": "cancel", "task": TASK, "percent": "30"}, Refused.BAD_FIELD, {"field": "percent"}),
        ({"v": 1, "action": "cancel", "task": TASK, "percent": 30.5}, Refused.BAD_FIELD, {"field": "percent"}),
        ({"v": 1, "action": "cancel", "task": TASK, "percent": True}, Refused.BAD_FIELD, {"field": "percent"}),
        ({"v": 1, "action": "post", "amount": "50k", "title": "x"}, Refused.BAD_AMOUNT, {}),
        ({"v": 1, "action": "post", "amount": 5, "title": "x", "terms": []}, Refused.BAD_FIELD, {"field": "terms"}),
        ({"v": 1, "action": "submit", "task": TASK, "url": "https://x.y", "sha256": "1"}, Refused.BAD_HASH, {}),
    ],
)
def test_bad_json_is_refused(said: Any, code: Refused, facts: dict[str, Any]) -> None:
    refused = refusal(said if isinstance(said, str) else json.dumps(said))
    assert (refused.code, refused.form) == (code, "json")
    assert facts.items() <= refused.facts.items()


def test_json_is_not_taken_for_a_list() -> None:
    with pytest.raises(BadWord) as caught:
        read_command_json("[]")
    assert caught.value.code is Refused.BAD_JSON


@pytest.mark.parametrize("word", sorted(PLANNED))
def test_planned_commands_are_refused_by_name(word: str) -> None:
    assert refusal(f"{word} x y").code is Refused.NOT_BUILT


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command.action))
def test_every_command_explains_itself_truly(command: type[Command]) -> None:
    told = help_for(command.action)
    assert command.example in told
    assert usage(command) in told
    assert command.__doc__
    assert read_command_text(command.example).action == command.action
    assert usage(command) in help_for()


def test_usage_shows_what_can_be_left_out() -> None:
    assert usage(Claim) == "claim ID [DESTINATION]"
    assert usage(Reject) == "reject ID REASON"
    assert usage(Post) == 'post [AMOUNT] [CURRENCY] "TITLE" [key=value ...]'


@pytest.mark.parametrize(
    "text",
    [
        '"\\' * 30_000,
        '"' * 60_000,
        'post 5 "' + "\\" * 60_000,
        "post 5 " + '"\\" ' * 15_000,
        "post 5 " + "“ " * 15_000,
        "post 5 " + "a= " * 20_000,
        "tasks x" + " " * 60_000 + "x",
        f"cancel {TASK} " + "%" * 60_000,
    ],
)
def test_hostile_text_costs_no_time(text: str) -> None:
    start = time.process_time()
    with pytest.raises(BadWord):
        read_command_text(text)
    assert time.process_time() - start < 10  # a tenth of a second when idle; hours if all ways to read it were tried


def test_an_id_is_kept_as_written_and_read_as_meant() -> None:
    said = read_message(f"fund {TASK[:4].upper()}-{TASK[4:]}").command
    assert isinstance(said, Fund)
    assert (said.task, said.letters) == (f"{TASK[:4].upper()}-{TASK[4:]}", TASK)


# --- what is written is read back to the same command ---

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
some = words.filter(lambda text: bool(Fund(task=TASK, mode=text).mode))
tasks_ids = st.binary(min_size=32, max_size=32).map(lambda raw: task_id(EventId(raw.hex())))
hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)
options = st.none() | hashes
terms = st.dictionaries(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), words, max_size=4)
commands = st.one_of(
    st.builds(Help, topic=words),
    st.builds(Status, task=tasks_ids),
    st.builds(
        Post,
        amount=st.integers(0, 10**15) | st.sampled_from(["12.50", "0.001"]),
        currency=st.sampled_from(["sats", "SAT", "usd"]),
        title=some,
        terms=terms,
    ),
    st.builds(Fund, task=tasks_ids, mode=words),
    st.builds(Cancel, task=tasks_ids, percent=st.none() | st.integers(0, 100), reason=words),
    st.builds(Claim, task=tasks_ids, destination=st.none() | some, dest_hash=options),
    st.builds(
        Submit,
        task=tasks_ids,
        url=st.from_regex(r"https://[!-~]{1,30}", fullmatch=True),
        sha256=hashes,
        mime=st.none() | st.just("text/html"),
        notes=words,
    ),
    st.builds(Approve, task=tasks_ids, feedback=words),
    st.builds(Reject, task=tasks_ids, reason=some),
    st.builds(Payout, task=tasks_ids, destination=some, salt=options),
)


@given(commands)
def test_text_round_trip(command: Command) -> None:
    assert read_command_text(write_text(command)) == command


def test_a_title_in_quotes_is_no_currency() -> None:
    said = read_command_text('post 50 "AAA" deadline=3d').model_dump()
    assert (said["currency"], said["title"]) == ("sats", "AAA")
    assert read_command_text('post 50 usd "AAA"').model_dump()["currency"] == "usd"


@given(commands)
def test_json_round_trip(command: Command) -> None:
    spoken = read_message(write_json(command))
    assert (spoken.command, spoken.form) == (command, "json")


@given(st.text(max_size=200) | st.builds("{} {}".format, st.sampled_from([c.action for c in COMMANDS]), st.text()))
def test_any_text_is_a_command_or_a_refusal(text: str) -> None:
    with contextlib.suppress(BadWord):
        assert isinstance(read_message(text).command, Command)
