"""What the verifier knows of sealed work: sound records, and forgeries with the code by which each is caught."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.forge import BOT, DAY, EMPLOYER, WORKER, Event, Ids, Life, codes, sha

KEY = sha("key")
KEY_HASH = sha(bytes.fromhex(KEY))
ACCEPTED = {"sealed": "accepted"}


class Sealing(Life):
    def __init__(self, terms: dict[str, Any] | None = None, **rest: Any) -> None:
        super().__init__(terms=ACCEPTED if terms is None else terms, **rest)

    def deliver(self, signed: bool = True, tags: tuple[tuple[str, str], ...] | None = None, **facts: Any) -> Sealing:
        self.fund().claim()
        self.wait()
        digest, at = sha("file"), self.time
        more = [("key", KEY_HASH), ("sealed", "AgX")] if tags is None else list(tags)

        def make(ids: Ids) -> Event:
            usual = [["d", "p1"], ["a", self.address], ["e", self.offer["id"]], ["p", BOT.pub], ["p", EMPLOYER.pub],
                     ["url", "https://example.org/page.zip"], ["x", digest]]  # fmt: skip
            return WORKER.sign(30079, [*usual, *map(list, more)], "done", at)

        said = {"number": 1, "sha256": digest, "mime": None, "check": "unchecked", "check_reason": "fetching_off",
                "heard_at": at, "review_until": at + DAY, "key_hash": KEY_HASH, **facts}  # fmt: skip
        said = {name: fact for name, fact in said.items() if fact is not ...}
        self.add("proof.submitted", "Claimed", "SUBMITTED", WORKER, make if signed else None, **said)
        return self

    def decided(self, **words: Any) -> Sealing:
        """Delivered by a signed decision."""
        self.deliver(signed=False)
        last = self.lines[-1]
        last.proven = "signed"
        last.event = self.decide(WORKER, "submit", 4, url="https://e.org/x", sha256=last.facts["sha256"], **words)
        return self


@pytest.mark.parametrize("signed", [True, False])
def test_a_sealed_life_is_sound(signed: bool) -> None:
    report = Sealing().deliver(signed).approve().settle().check()
    assert report.ok, report.to_text()


def test_open_work_in_a_task_that_accepts_sealed_work_is_sound() -> None:
    assert Sealing().deliver(tags=(), key_hash=...).approve().settle().check().ok
    assert Sealing({}).deliver(tags=(), key_hash=...).approve().settle().check().ok


def leaked() -> Life:
    life = Sealing().deliver()
    life.approve().settle()
    life.lines[-2].facts["reason"] = KEY
    return life


SPOILT: dict[str, tuple[str, Callable[[], Life]]] = {
    "against the terms": ("against_terms", lambda: Sealing({}).deliver()),
    "terms that say something else": ("embedded_disagrees", lambda: Sealing({}, sealed="accepted").deliver()),
    "terms that are not told": ("embedded_disagrees", lambda: _untold()),
    "a word that is none": ("bad_facts", lambda: Sealing({"sealed": "perhaps"})),
    "another key than signed": ("embedded_disagrees", lambda: Sealing().deliver(key_hash=sha("other"))),
    "sealed, and not told": ("embedded_disagrees", lambda: Sealing().deliver(key_hash=...)),
    "told, and not sealed": ("embedded_disagrees", lambda: Sealing().deliver(tags=())),
    "a hash without a key": ("embedded_disagrees", lambda: Sealing().deliver(tags=(("key", KEY_HASH),))),
    "no hash": ("bad_facts", lambda: Sealing().deliver(key_hash="yes")),
    "a key in a signed decision": ("embedded_disagrees", lambda: Sealing().decided(key=KEY, key_hash=KEY_HASH)),
    "a decision that names none": ("embedded_disagrees", lambda: Sealing().decided()),
    "the key in public": ("secret_leak", leaked),
}  # fmt: skip


def _untold() -> Life:
    life = Sealing().deliver()
    del life.lines[0].facts["sealed"]
    return life


@pytest.mark.parametrize("name", SPOILT)
def test_a_forgery_is_caught(name: str) -> None:
    code, spoil = SPOILT[name]
    report = spoil().check()
    assert code in codes(report), report.to_text()


def test_a_preimage_that_the_worker_took_for_a_key_is_no_leak() -> None:
    life = Sealing()
    life.deliver(tags=(("key", life.pay_hash), ("sealed", "AgX")), key_hash=life.pay_hash)
    assert life.approve().settle().check().ok
