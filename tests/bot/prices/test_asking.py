"""One source: what of its answer counts, and what trouble is called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal

import httpx
import pytest

from bot.config import PriceSource
from bot.prices.asking import Trouble, ask

KEY = "secret-key"


def source(path: str = "data.{CURRENCY}", url: str = f"https://a.example.org/?key={KEY}", **paths: str) -> PriceSource:
    return PriceSource(name="a", url=url, path=path, paths=paths)


def web(answer: bytes | Callable[[httpx.Request], httpx.Response]) -> httpx.MockTransport:
    return httpx.MockTransport(answer if callable(answer) else lambda _: httpx.Response(200, content=answer))


async def said(answer: bytes | Callable[[httpx.Request], httpx.Response], path: str = "data.{CURRENCY}") -> str:
    """The price of a bitcoin in rupees, or the trouble in a word."""
    found = (await ask(web(answer), source(path), ["INR"], 1.0, 2000))["INR"]
    assert KEY not in repr(found)
    return str(found)


@pytest.mark.parametrize(
    ("body", "path", "price"),
    [
        (b'{"data":{"INR":8000000}}', "data.{CURRENCY}", "8000000.00"),
        (b'{"data":{"INR":8123456.789}}', "data.{CURRENCY}", "8123456.79"),
        (b'{"data":{"INR":"8123456.789"}}', "data.{CURRENCY}", "8123456.79"),
        (b'{"inr":[{"last":5}]}', "{currency}.0.last", "5.00"),
        (b'[1,{"x":7}]', "1.x", "7.00"),
    ],
)
async def test_prices(body: bytes, path: str, price: str) -> None:
    assert await said(body, path) == price


@pytest.mark.parametrize(
    ("body", "trouble"),
    [
        (b"", "no JSON"),
        (b"<html>", "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[" * 1900, "no JSON"),
        (b'{"data":{"INR":NaN}}', "no JSON"),
        (b'{"data":{"INR":-Infinity}}', "no JSON"),
        (b'{"data":{"INR":' + b"9" * 1900 + b"}}", "no number above zero"),
        (b'{"data":{"INR":-8000000}}', "no number above zero"),
        (b'{"data":{"INR":0}}', "no number above zero"),
        (b'{"data":{"INR":8e6}}', "no number above zero"),
        (b'{"data":{"INR":null}}', "no number above zero"),
        (b'{"data":{"INR":true}}', "no number above zero"),
        (b'{"data":{"INR":{"x":1}}}', "no number above zero"),
        (b'{"data":{"USD":1}}', "no price there"),
        (b'{"data":[1]}', "no price there"),
        (b'"INR"', "no price there"),
        (b"x" * 2001, "too large"),
    ],
)
async def test_what_is_no_price(body: bytes, trouble: str) -> None:
    assert await said(body) == trouble


@pytest.mark.parametrize("status", [201, 204, 301, 302, 304, 403, 429, 500])
async def test_no_other_answer_counts(status: int) -> None:
    assert await said(lambda _: httpx.Response(status, content=b'{"data":{"INR":8000000}}')) == f"http {status}"


class Endless(httpx.AsyncByteStream):
    def __init__(self, pause: float) -> None:
        self.pause, self.closed = pause, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(self.pause)
            yield b" " * 100

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize(("pause", "trouble"), [(0.0, "too large"), (0.4, "timeout")])
async def test_an_answer_without_an_end(pause: float, trouble: str) -> None:
    body = Endless(pause)
    assert await said(lambda _: httpx.Response(200, stream=body)) == trouble
    assert body.closed


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (httpx.ConnectError(f"nobody at ?key={KEY}"), "unreachable"),
        (httpx.ReadTimeout(f"?key={KEY}"), "timeout"),
        (httpx.RemoteProtocolError("what?"), "unreachable"),
        (OSError("no network"), "unreachable"),
    ],
)
async def test_nobody_there(error: Exception, trouble: str) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    assert await said(fail) == trouble


async def test_an_answer_for_several_currencies_is_fetched_once_and_others_each() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, content=b'{"INR":1,"NGN":{"x":2}}')

    found = await ask(web(answer), source("{CURRENCY}", NGN="NGN.x"), ["INR", "NGN"], 1.0, 2000)
    assert found == {"INR": Decimal("1.00"), "NGN": Decimal("2.00")}
    assert len(asked) == 1
    one_each = source("{CURRENCY}", "https://a.example.org/{currency}", NGN="NGN.x")
    assert await ask(web(answer), one_each, ["INR", "NGN"], 1.0, 2000) == found
    assert sorted(asked[1:]) == ["https://a.example.org/inr", "https://a.example.org/ngn"]
    trouble = (await ask(web(b"x"), source(), ["INR"], 1.0, 2000))["INR"]
    assert isinstance(trouble, Trouble)
