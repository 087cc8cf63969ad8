"""Is the file at a stranger's link the one that he promised? Found out without trusting the link, the server or the file.

The link may point into our own network, the server may never stop talking, the file may be endless. So every hop's address is
checked and connected to as checked; bytes, seconds and hops are limited; what comes is hashed as it comes and kept nowhere.
What is hashed is the file as it is served when no encoding is asked for: nothing is unpacked. MISMATCHED is said only of a file
that surely arrived whole and as it is; every doubt is an `Unchecked`. Nothing is remembered between two fetches, so whoever is
cancelled or dies inside one simply does it again.

httpx's transport is used without its client on top: no cookies, no proxy, no .netrc, no redirect of its own, and no log line
with the link in it, which is known to the two parties alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from ssl import SSLContext
from typing import Protocol

import httpx

from bot.addresses import Resolve, is_public, resolve

CONNECT_WAIT = 5.0  # seconds, for TCP and TLS each
MAX_REDIRECTS = 3
_ADDRESSES = 3  # of one host are tried, in turn
_REDIRECTS = (301, 302, 303, 307, 308)
_PASSING = (408, 425, 429)  # besides 5xx
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close", "User-Agent": "holdfast"}


class Why(StrEnum):
    """Why a file was not checked."""

    SCHEME = "scheme"  # the link, or a redirect, is not http(s); or a redirect leaves https
    REFUSED_ADDRESS = "refused_address"  # not public, with a password in it, or none at all
    UNREACHABLE = "unreachable"  # no such name, nobody there, a bad certificate, or no HTTP spoken
    TIMEOUT = "timeout"
    REDIRECTS = "redirects"  # too many, or to nowhere
    HTTP_STATUS = "http_status"  # anything but 200
    TOO_LARGE = "too_large"
    TRUNCATED = "truncated"  # it ended too early, or nobody can tell whether it did
    ENCODED = "encoded"  # it came compressed although that was not asked for, and not with the promised sha256


@dataclass(frozen=True, slots=True)
class Matched:
    pass


@dataclass(frozen=True, slots=True)
class Mismatched:
    sha256: str


@dataclass(frozen=True, slots=True)
class Unchecked:
    why: Why
    passing: bool = False  # it may be over in a minute: worth another try


Found = Matched | Mismatched | Unchecked


class WebSettings(Protocol):
    @property
    def allow_private(self) -> bool: ...
    @property
    def max_bytes(self) -> int: ...
    @property
    def timeout(self) -> float: ...  # seconds for everything


class _Trouble(Exception):
    def __init__(self, why: Why, *, passing: bool = False) -> None:
        super().__init__(why)
        self.unchecked = Unchecked(why, passing)


class Web:
    def __init__(
        self,
        settings: WebSettings,
        *,
        resolve: Resolve = resolve,
        tls: SSLContext | None = None,
        connect_wait: float = CONNECT_WAIT,
    ) -> None:
        self._settings = settings
        self._resolve = resolve
        self._tls = tls
        self._connect_wait = connect_wait

    async def sha256_of(self, url: str, wanted: str) -> Found:
        """Downloads what is at this link and compares. Never raises for trouble outside; only cancellation passes through."""
        try:
            async with asyncio.timeout(self._settings.timeout):
                return await self._follow(_place(url), wanted.lower())
        except _Trouble as trouble:
            return trouble.unchecked
        except TimeoutError:
            return Unchecked(Why.TIMEOUT, passing=True)

    async def _follow(self, place: httpx.URL, wanted: str) -> Found:
        for _ in range(1 + MAX_REDIRECTS):
            async with self._get(place) as response:
                if response.status_code not in _REDIRECTS:
                    return await self._compare(response, wanted)
                place = _next(place, response.headers.get("location", ""))
        raise _Trouble(Why.REDIRECTS)

    @asynccontextmanager
    async def _get(self, place: httpx.URL) -> AsyncIterator[httpx.Response]:
        """One hop on a connection of its own."""
        addresses = await self._addresses(place.raw_host.decode("ascii"))
        self._tls = self._tls or httpx.create_ssl_context(trust_env=False)  # 20 ms, for those alone who fetch
        async with httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False) as transport:
            response = await self._first(transport, place, addresses)
            try:
                yield response
            finally:
                await response.aclose()

    async def _addresses(self, host: str) -> Sequence[str]:
        try:
            found = await self._resolve(host)
        except (OSError, UnicodeError) as error:
            raise _Trouble(Why.UNREACHABLE, passing=True) from error
        if not self._settings.allow_private and not all(is_public(ipaddress.ip_address(each)) for each in found):
            raise _Trouble(Why.REFUSED_ADDRESS)
        return found[:_ADDRESSES]

    async def _first(
        self, transport: httpx.AsyncHTTPTransport, place: httpx.URL, addresses: Sequence[str]
    ) -> httpx.Response:
        """The answer of the first address that takes the connection; Host and certificate are those of the name."""
        for address in addresses:
            request = httpx.Request(
                "GET",
                place.copy_with(host=address),
                headers={"Host": place.netloc.decode("ascii"), **_HEADERS},
                extensions={
                    "timeout": {"connect": self._connect_wait},
                    "sni_hostname": place.raw_host.decode("ascii").rstrip("."),
                },
            )
            try:
                return await transport.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
            except httpx.TransportError as error:
                raise _Trouble(Why.UNREACHABLE, passing=True) from error
        raise _Trouble(Why.UNREACHABLE, passing=True)

    async def _compare(self, response: httpx.Response, wanted: str) -> Found:
        status, headers, most = response.status_code, response.headers, self._settings.max_bytes
        if status != 200:
            raise _Trouble(Why.HTTP_STATUS, passing=status >= 500 or status in _PASSING)
        if int(headers.get("content-length", "0")) > most:  # at most 20 digits: h11 has looked
            raise _Trouble(Why.TOO_LARGE)
        hashed, size = hashlib.sha256(), 0
        try:
            async for piece in response.aiter_raw():
                size += len(piece)
                if size > most:
                    raise _Trouble(Why.TOO_LARGE)
                hashed.update(piece)
        except httpx.TransportError as error:
            raise _Trouble(Why.TRUNCATED, passing=True) from error
        got = hashed.hexdigest()
        if got == wanted:
            return Matched()
        if headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise _Trouble(Why.ENCODED)
        if "content-length" not in headers and "transfer-encoding" not in headers:  # its end is only a silence
            raise _Trouble(Why.TRUNCATED, passing=True)
        return Mismatched(got)


def _place(url: str) -> httpx.URL:
    """The link taken apart, once for all: what is checked is what is visited."""
    try:
        return _allowed(httpx.URL(url))
    except (httpx.InvalidURL, ValueError) as error:
        raise _Trouble(Why.REFUSED_ADDRESS) from error


def _next(place: httpx.URL, location: str) -> httpx.URL:
    if not location:
        raise _Trouble(Why.REDIRECTS)
    try:
        target = place.join(location)
    except (httpx.InvalidURL, ValueError) as error:
        raise _Trouble(Why.REFUSED_ADDRESS) from error
    if place.scheme == "https" and target.scheme == "http":
        raise _Trouble(Why.SCHEME)
    return _allowed(target)


def _allowed(place: httpx.URL) -> httpx.URL:
    if place.scheme not in ("http", "https"):
        raise _Trouble(Why.SCHEME)
    port = 80 if place.port is None else place.port
    if not place.host or place.userinfo or not 0 < port < 65536:
        raise _Trouble(Why.REFUSED_ADDRESS)
    return place
