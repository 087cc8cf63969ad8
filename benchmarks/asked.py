"""`python -m benchmarks.asked FILE [holdfast arguments]`: the program, and when it waited for LND.

Leaves a line of JSON in the file for each question to LND: method, what it was about, and the two moments (perf_counter, which all
processes of a machine share). Streams of news are no questions. The clock is looked at twice a question; that is all it costs.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.cli import main
from bot.nodes.lnd.rest import Reply, Rest

_NEWS = ("/v2/invoices/subscribe/", "/v2/router/payments")
_HASH = re.compile(r"[0-9A-Za-z_-]{43}=$|[0-9a-f]{64,66}.*$")


@dataclass(frozen=True, slots=True)
class Asked:
    what: str
    began: float
    ended: float


def read(file: Path) -> list[Asked]:
    return [Asked(*json.loads(line)) for line in file.read_text().splitlines()]


def waited(asked: Sequence[Asked], since: float, until: float) -> float:
    """Seconds between two moments in which at least one question was open."""
    total, covered = 0.0, since
    for one in sorted(asked, key=lambda one: one.began):
        begin, end = max(one.began, covered), min(one.ended, until)
        if end > begin:
            total, covered = total + end - begin, end
    return total


def run(file: Path) -> None:
    asked: list[Asked] = []
    plain_ask, plain_stream = Rest.ask, Rest.stream

    def note(method: str, path: str, began: float) -> None:
        asked.append(Asked(f"{method} {_HASH.sub('', path)}", began, time.perf_counter()))

    async def ask(rest: Rest, method: str, path: str, *more: Any, **named: Any) -> Reply:
        began = time.perf_counter()
        try:
            return await plain_ask(rest, method, path, *more, **named)
        finally:
            note(method, path, began)

    async def stream(rest: Rest, method: str, path: str, *more: Any, **named: Any) -> AsyncGenerator[Reply, None]:
        began = time.perf_counter()
        try:
            async with aclosing(plain_stream(rest, method, path, *more, **named)) as replies:
                async for reply in replies:
                    yield reply
        finally:
            if not path.startswith(_NEWS):
                note(method, path, began)

    setattr(Rest, "ask", ask)  # noqa: B010  (mypy would not have it assigned)
    setattr(Rest, "stream", stream)  # noqa: B010
    try:
        main()
    finally:
        lines = (json.dumps([one.what, one.began, one.ended]) for one in asked)
        file.write_text("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    run(Path(sys.argv.pop(1)))
