"""What one source says, found out without trusting it: it may be slow, endless, broken, or lie.

Seconds and bytes are limited, nothing is followed anywhere else, and a number counts only as plain digits. httpx's transport is used without
its client on top: no cookies, no proxy, no redirects, and no log line with an address in it, which may hold a key. Trouble is an answer
in a word, and never tells the address.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NoReturn, Protocol

import httpx

from kinds.rate import read_price

_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "holdfast"}


class Source(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def paths(self) -> Mapping[str, str]: ...


class Trouble(Exception):
    """A source says nothing that can be used; the text is a word for the log, without any address."""


async def ask(
    web: httpx.AsyncBaseTransport, source: Source, currencies: Sequence[str], within: float, most: int
) -> dict[str, Decimal | Trouble]:
    """currency -> what a bitcoin costs, or why that is not known. An answer that serves several currencies is fetched once."""
    urls: dict[str, list[str]] = {}
    for currency in currencies:
        urls.setdefault(_named(source.url, currency), []).append(currency)

    async def one(url: str, asked: list[str]) -> dict[str, Decimal | Trouble]:
        try:
            async with asyncio.timeout(within):
                answer = _parsed(await _fetched(web, url, within, most))
        except TimeoutError:
            return dict.fromkeys(asked, Trouble("timeout"))
        except Trouble as trouble:
            return dict.fromkeys(asked, trouble)
        return {currency: _price(answer, _way(source, currency)) for currency in asked}

    found = await asyncio.gather(*(one(url, asked) for url, asked in urls.items()))
    return {currency: said for each in found for currency, said in each.items()}


async def _fetched(web: httpx.AsyncBaseTransport, url: str, within: float, most: int) -> bytes:
    try:
        limits = {"timeout": httpx.Timeout(within).as_dict()}
        response = await web.handle_async_request(httpx.Request("GET", url, headers=_HEADERS, extensions=limits))
        try:
            if response.status_code != 200:
                raise Trouble(f"http {response.status_code}")
            assert isinstance(response.stream, httpx.AsyncByteStream), "an async transport streams so"
            body = bytearray()
            async for chunk in response.stream:
                body += chunk
                if len(body) > most:
                    raise Trouble("too large")
        finally:
            await response.aclose()
    except httpx.TimeoutException:
        raise Trouble("timeout") from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError, RuntimeError):
        raise Trouble("unreachable") from None
    return bytes(body)


def _parsed(body: bytes) -> Any:
    """Numbers stay the digits that came."""
    try:
        return json.loads(body, parse_float=str, parse_int=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise Trouble("no JSON") from None


def _refuse(_constant: str) -> NoReturn:
    raise ValueError("not a number")


def _price(answer: Any, way: str) -> Decimal | Trouble:
    for step in way.split("."):
        if isinstance(answer, dict) and step in answer:
            answer = answer[step]
        elif isinstance(answer, list) and step.isascii() and step.isdigit() and int(step[:9]) < len(answer):
            answer = answer[int(step[:9])]
        else:
            return Trouble("no price there")
    price = read_price(answer) if isinstance(answer, str) else None
    return Trouble("no number above zero") if price is None else price


def _way(source: Source, currency: str) -> str:
    return _named(source.paths.get(currency, source.path), currency)


def _named(text: str, currency: str) -> str:
    return text.replace("{CURRENCY}", currency).replace("{currency}", currency.lower())
