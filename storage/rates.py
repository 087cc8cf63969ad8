"""Exchange rates: the newest of each currency, and the one that an input met, so that what was decided by it can be decided again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from kinds.rate import Rate
from storage import house

_NEWEST, _MET = "rate:", "rate_met:"


def newest(tx: Connection, currency: str) -> Rate | None:
    """However old it is."""
    return _read(house.get_json(tx, _NEWEST + currency, None))


def keep(tx: Connection, found: Iterable[Rate]) -> None:
    for rate in found:
        house.put(tx, _NEWEST + rate.currency, _text(rate))


def met(tx: Connection, n: int) -> tuple[Rate | None] | None:
    """What the input of this number met; None when it has not been decided yet."""
    value = house.get(tx, f"{_MET}{n}")
    return None if value is None else (_read(json.loads(value)),)


def meet(tx: Connection, n: int, rate: Rate | None) -> None:
    house.put(tx, f"{_MET}{n}", _text(rate) if rate else "null")


def _text(rate: Rate) -> str:
    return json.dumps([rate.currency, str(rate.price), list(rate.sources), rate.time])


def _read(value: Any) -> Rate | None:
    return Rate(value[0], Decimal(value[1]), tuple(value[2]), value[3]) if value else None
