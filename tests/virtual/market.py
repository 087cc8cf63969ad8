"""Sources of exchange rates for a town: web servers behind httpx's own interface, each of which tells the truth, lies, or fails as it is
told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from bot.config import PriceSettings, PriceSource, Settings, TermsSettings

KEY = "a-key-of-the-operator"
INR = 8_000_000


@dataclass
class Market(httpx.AsyncBaseTransport):
    """`says`: name of the source -> what stands in its answer as the price of a bitcoin in rupees, or a whole answer."""

    says: dict[str, object] = field(default_factory=lambda: {"one": f"{INR}.00", "two": INR, "three": float(INR)})
    answers: dict[str, Callable[[], httpx.Response]] = field(default_factory=dict)
    slow: dict[str, float] = field(default_factory=dict)  # seconds
    asked: int = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert request.url.params["key"] == KEY
        self.asked += 1
        name = request.url.host.partition(".")[0]
        await asyncio.sleep(self.slow.get(name, 0.1))
        if name in self.answers:
            return self.answers[name]()
        if name not in self.says:
            raise httpx.ConnectError(f"nobody is at {request.url}")
        said = self.says[name]
        return httpx.Response(200, content=json.dumps({"data": {"INR": said, "NGN": 150_000_000}}).encode())

    def all_say(self, price: object) -> None:
        self.says = dict.fromkeys(("one", "two", "three"), price)


def sources(*names: str) -> tuple[PriceSource, ...]:
    return tuple(
        PriceSource(name=name, url=f"https://{name}.example.org/btc?key={KEY}", path="data.{CURRENCY}")
        for name in names
    )


def settings(*names: str, **terms: object) -> Settings:
    """A house that asks these sources: one, two and three, if none is named."""
    asked = PriceSettings(sources=sources(*(names or ("one", "two", "three"))), currencies=("INR", "NGN"))
    return Settings(prices=asked, terms=TermsSettings(**terms))  # type: ignore[arg-type]
