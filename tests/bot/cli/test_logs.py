"""Nothing that must not leak goes into the logs."""

from __future__ import annotations

import json
import logging

import pytest
import structlog

from bot.cli.complaints import complaint_of
from bot.cli.logs import HIDDEN, masked, start_logging
from kinds.codes import BadWord, Refused
from kinds.units import Secret

KEY = "5f" * 32
NSEC = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"
INVOICE = "lnplay50500n1p4s827fsp5fs7z9dhxwzk5xakqpdntrqndg6q4umnuk3l0g25r5qlp75wgky9spp5mgr4t3qdtpt0c9"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("anything", Secret(KEY), HIDDEN),
        ("anything", {"deep": [Secret(KEY)]}, {"deep": [HIDDEN]}),
        ("secret_key", KEY, HIDDEN),
        ("preimage", f"it is {KEY}", f"it is {HIDDEN}"),
        ("pubkey", KEY, KEY),
        ("event", KEY, KEY),
        ("event", f"preimage: {KEY}", f"preimage: {HIDDEN}"),
        ("event", f"the key {NSEC} and {NSEC.upper()}", f"the key {HIDDEN} and {HIDDEN}"),
        ("event", f"pay {INVOICE} now", f"pay {HIDDEN} now"),
        ("raw", KEY.encode(), HIDDEN),
        ("n", 5, 5),
        ("nothing", None, None),
    ],
)
def test_masked(name: str, value: object, shown: object) -> None:
    assert masked(name, value) == shown


def test_both_kinds_of_logging_are_masked_also_in_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging("info", True)
    log = structlog.get_logger()
    log.info("a thing", secret=Secret(KEY), nsec=NSEC, relay="ws://x")
    log.debug("too quiet")
    logging.getLogger("any").warning("the key is %s", NSEC)
    try:
        raise ValueError(f"bad key {NSEC}")
    except ValueError:
        log.exception("it failed", input=f"event:{KEY}")
    out, err = capsys.readouterr()
    assert out == ""
    assert NSEC not in err
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["event"] for line in lines] == ["a thing", f"the key is {HIDDEN}", "it failed"]
    assert (lines[0]["secret"], lines[0]["nsec"], lines[0]["relay"]) == (HIDDEN, HIDDEN, "ws://x")
    assert "ValueError: bad key ***" in lines[2]["exception"]
    assert lines[2]["input"] == f"event:{KEY}"


def test_text_for_people_is_masked_too(capsys: pytest.CaptureFixture[str]) -> None:
    start_logging("warning", False)
    structlog.get_logger().warning("careful", invoice=INVOICE)
    structlog.get_logger().info("too quiet")
    err = capsys.readouterr().err
    assert "careful" in err
    assert INVOICE not in err
    assert "quiet" not in err


def test_complaints() -> None:
    assert complaint_of(BadWord(Refused.UNKNOWN_COMMAND, word="x", near=[])).code == 2
    group = ExceptionGroup("two", [ExceptionGroup("inner", [FileNotFoundError(2, "No such file", "x.key")])])
    assert str(complaint_of(group)) == "x.key: No such file"
    assert "something is broken" in str(complaint_of(KeyError("x")))
    assert NSEC not in str(complaint_of(KeyError(NSEC)))
