"""Why payouts have failed, in the wallet's own answers to our requests, kept over a restart of ours.

A wallet's "failed" alone is no proof: Alby Hub writes it also when it is stopped while a payout is in flight, and a payee who
keeps payouts would be paid twice, by that one and by the next. So a failure is believed when the answer to the request gave a
reason that is final; the file is what an earlier process has heard. A line is a payment hash with its reason, or with none
since it was sent again. What is lost of it makes a payout unknown for longer, never failed.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from kinds.lightning import Fault
from kinds.units import PaymentHash

LONGEST = 20 * 86400  # seconds that an HTLC can live: 2,016 blocks, and they may come slowly
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of an attempt. `begun`: something was sent."""

    reason: str
    fault: Fault
    begun: bool


class Verdicts:
    def __init__(self, path: Path | None, now: float) -> None:
        """In memory alone without a path. OSError when the file cannot be read."""
        self._path = path
        self._known: dict[PaymentHash, tuple[Verdict, float]] = {}
        if path is not None and path.exists():
            for line in path.read_text().splitlines():
                with suppress(ValueError, KeyError, TypeError):  # a line that was cut off
                    self._take(json.loads(line))
            self._known = {key: each for key, each in self._known.items() if now - each[1] < LONGEST}

    def get(self, payment_hash: PaymentHash) -> Verdict | None:
        known = self._known.get(payment_hash)
        return known[0] if known else None

    def ended(self, payment_hash: PaymentHash, verdict: Verdict, now: float) -> None:
        self._known[payment_hash] = (verdict, now)
        self._write(_line(payment_hash, verdict, now))

    def sending(self, payment_hash: PaymentHash) -> bool:
        """On disk before the request goes out, or False and it may not: the verdict on an earlier attempt must not be taken for
        that on this one."""
        if payment_hash not in self._known:
            return True
        written = self._write({"hash": payment_hash})
        if written:
            del self._known[payment_hash]
        return written

    def _take(self, line: dict[str, Any]) -> None:
        payment_hash = PaymentHash(line["hash"])
        if "reason" in line:
            verdict = Verdict(str(line["reason"]), Fault(line["fault"]), bool(line["begun"]))
            self._known[payment_hash] = (verdict, float(line["at"]))
        else:
            self._known.pop(payment_hash, None)

    def _write(self, line: dict[str, Any]) -> bool:
        if self._path is None:
            return True
        try:
            with open(self._path, "a", opener=_private) as file:
                file.write(f"\n{json.dumps(line)}\n")  # behind a line that was cut off, too
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            log.error("what became of a payout cannot be written down", error=error.strerror)
            return False
        return True


def _line(payment_hash: PaymentHash, verdict: Verdict, at: float) -> dict[str, Any]:
    return {"hash": payment_hash, "reason": verdict.reason, "fault": verdict.fault, "begun": verdict.begun, "at": at}


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
