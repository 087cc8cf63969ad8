"""A receipt as a page: complete, escaped, and needing nothing from outside."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from kinds.codes import Told
from kinds.message import render
from kinds.page import receipt_page
from tests.kinds.facts import NOW, PREIMAGE, RECEIPTS, SHA, TASK

HOSTILE = '<script>alert("1")</script>&\u202e\n=1+1'


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def page(facts: dict[str, Any]) -> tuple[Page, str]:
    text = receipt_page(json.loads(render(Told.RECEIPT, facts, "json", NOW)), NOW)
    return Page(text), text


@pytest.mark.parametrize("facts", RECEIPTS)
def test_it_is_whole_and_fetches_nothing(facts: dict[str, Any]) -> None:
    found, text = page(facts)
    assert found.open == [], "every tag is closed"
    assert not {"script", "link", "img", "iframe", "a", "form", "object"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name in ("src", "href") or name.startswith("on")]
    assert not re.search(r"https?:|@import|url\(", text)
    words = " ".join(found.words)
    for each in facts["transactions"]:
        assert each["id"] in words
        assert f"({each['type']}" in words
    assert TASK in words
    assert "2025-11-24T15:59:00Z" in words


def test_the_proof_stands_in_it() -> None:
    for facts in RECEIPTS[:2]:
        words = " ".join(page(facts)[0].words)
        assert PREIMAGE.reveal() in words
        assert SHA in words


def test_what_strangers_write_stays_text() -> None:
    hostile = RECEIPTS[0] | {"title": HOSTILE, "state": HOSTILE, "task": HOSTILE, "network": HOSTILE, "role": HOSTILE}
    hostile["transactions"] = [
        dict.fromkeys(RECEIPTS[0]["transactions"][0], HOSTILE),
        {"id": HOSTILE, "what": {"a": HOSTILE}, "currency_amount": HOSTILE, "currency": HOSTILE, "amount_msat": -7},
        HOSTILE,
    ]
    found, text = page(hostile)
    assert "script" not in found.tags
    assert "\u202e" not in text
    assert found.open == []


def test_it_survives_missing_facts() -> None:
    assert Page(receipt_page({}, NOW)).open == []
