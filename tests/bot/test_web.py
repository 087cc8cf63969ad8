"""Downloads from servers on loopback that lie, drip, never end, redirect inwards: each limit, and what is never sent."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import logging
import socket
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from bot import web
from bot.addresses import Address, Resolve, resolve
from bot.web import Found, Matched, Mismatched, Unchecked, Web, Why

FILE = b"the work\n" * 1000
SHA = hashlib.sha256(FILE).hexdigest()
ENCODED = gzip.compress(FILE, mtime=0)

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Set:
    allow_private: bool = True
    max_bytes: int = 2**20
    timeout: float = 5.0


def answer(body: bytes = FILE, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    announced = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {announced}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def redirect(to: str, status: str = "302 Found") -> bytes:
    return answer(b"", f"Location: {to}", "Set-Cookie: a=b; Path=/", status=status)


class Site:
    """A server that answers each path with bytes or as a script says; it remembers what it was asked."""

    def __init__(self, paths: dict[str, bytes | Script]) -> None:
        self.paths = paths
        self.heads: list[str] = []
        self.port = 0
        self.open = 0
        self.closed = asyncio.Event()  # whenever nobody is connected any more

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(
        self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[Site]:
        server = await asyncio.start_server(self._serve, host, port, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
            async with asyncio.timeout(5):
                while self.open:
                    await self.closed.wait()
        finally:
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.closed.clear()
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                reply = self.paths[head.split(" ")[1]]
                if isinstance(reply, bytes):
                    writer.write(reply)
                    await writer.drain()
                else:
                    await reply(writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self.open -= 1
            if not self.open:
                self.closed.set()


async def found(paths: dict[str, bytes | Script], settings: Set = Set(), path: str = "/f") -> tuple[Found, Site]:
    async with Site(paths).running() as site:
        return await Web(settings).sha256_of(site.url + path, SHA), site


def asked(*answers: str) -> tuple[Resolve, list[str]]:
    """A resolver that gives one answer after the other, and the names that it was asked for."""
    left, names = list(answers), []

    async def resolved(host: str) -> list[str]:
        names.append(host)
        return left.pop(0).split()

    return resolved, names


# what arrives


@pytest.mark.parametrize(
    "reply",
    [
        answer(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(FILE), FILE),
        b"HTTP/1.0 200 OK\r\n\r\n" + FILE,
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(),
    ],
    ids=["length", "chunked", "until-the-end", "after-100"],
)
async def test_the_promised_file(reply: bytes) -> None:
    assert (await found({"/f": reply}))[0] == Matched()


async def test_the_promise_may_be_in_capitals() -> None:
    async with Site({"/f": answer()}).running() as site:
        assert await Web(Set()).sha256_of(site.url + "/f", SHA.upper()) == Matched()


async def test_another_file() -> None:
    got, _ = await found({"/f": answer(b"something else")})
    assert got == Mismatched(hashlib.sha256(b"something else").hexdigest())


async def test_an_empty_file_is_a_file() -> None:
    got, _ = await found({"/f": answer(b"")})
    assert got == Mismatched(hashlib.sha256(b"").hexdigest())


async def test_what_is_asked_and_what_never() -> None:
    _, site = await found({"/f?a=%C3%BC": answer()}, path="/f?a=ü#part")
    lines = site.heads[0].lower().split("\r\n")
    assert lines[0] == "get /f?a=%c3%bc http/1.1"
    assert f"host: 127.0.0.1:{site.port}" in lines
    assert "accept-encoding: identity" in lines
    assert not [line for line in lines if line.startswith(("cookie", "authorization", "referer"))]


async def test_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    got, site = await found({"/f": answer()})
    assert got == Matched()
    assert "authorization" not in site.heads[0].lower()


async def test_the_link_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await found({"/f?key=hush": redirect("/g?key=hush"), "/g?key=hush": answer()}, path="/f?key=hush")
    assert "hush" not in caplog.text


# encodings: nothing is unpacked


async def test_a_file_that_is_compressed_itself() -> None:
    async with Site({"/f": answer(ENCODED, "Content-Encoding: gzip")}).running() as site:
        assert await Web(Set()).sha256_of(site.url + "/f", hashlib.sha256(ENCODED).hexdigest()) == Matched()


async def test_compressed_against_our_wish_is_no_mismatch() -> None:
    assert (await found({"/f": answer(ENCODED, "Content-Encoding: gzip")}))[0] == Unchecked(Why.ENCODED)


async def test_a_bomb_does_not_unfold() -> None:
    bomb = gzip.compress(bytes(2**26))
    tracemalloc.start()
    try:
        got, _ = await found({"/f": answer(bomb, "Content-Encoding: gzip")})
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()
    assert got == Unchecked(Why.ENCODED)


# too much, too slow, too little


async def test_the_limit_is_the_last_size_allowed() -> None:
    assert (await found({"/f": answer()}, Set(max_bytes=len(FILE))))[0] == Matched()
    assert (await found({"/f": answer()}, Set(max_bytes=len(FILE) - 1)))[0] == Unchecked(Why.TOO_LARGE)


async def test_a_huge_announcement_is_believed() -> None:
    got, _ = await found({"/f": answer(b"", length=10**15)})
    assert got == Unchecked(Why.TOO_LARGE)


async def test_an_endless_body_ends_at_the_limit() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"ffff\r\n" + bytes(0xFFFF) + b"\r\n")
            await writer.drain()

    assert (await found({"/f": endless}))[0] == Unchecked(Why.TOO_LARGE)


async def _forever(writer: asyncio.StreamWriter, drop: bytes) -> None:
    while not writer.is_closing():
        writer.write(drop)
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "chunks", "headers", "continue"],
)
async def test_a_drip_ends_with_the_time(start: bytes, drop: bytes) -> None:
    async def slow(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        await _forever(writer, drop)

    got, _ = await found({"/f": slow}, Set(timeout=0.2))
    assert got == Unchecked(Why.TIMEOUT, passing=True)


async def test_silence_ends_with_the_time() -> None:
    gone = asyncio.Event()

    async def silent(writer: asyncio.StreamWriter) -> None:
        await gone.wait()

    async with Site({"/f": silent}).running() as site:
        assert await Web(Set(timeout=0.1)).sha256_of(site.url + "/f", SHA) == Unchecked(Why.TIMEOUT, passing=True)
        gone.set()


async def test_the_time_covers_all_redirects() -> None:
    async def late(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.1)
        writer.write(redirect("/f"))
        await writer.drain()

    got, _ = await found({"/f": late}, Set(timeout=0.25))  # enough for each of them, not for all four
    assert got == Unchecked(Why.TIMEOUT, passing=True)


async def test_endless_headers_are_not_kept() -> None:
    async def headers(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not writer.is_closing():
            writer.write(bytes(0xFFFF).replace(b"\0", b"x"))
            await writer.drain()

    assert (await found({"/f": headers}))[0] == Unchecked(Why.UNREACHABLE, passing=True)


@pytest.mark.parametrize(
    "reply",
    [
        answer(FILE[:-1], length=len(FILE)),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(FILE), FILE),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc",
        b"HTTP/1.0 200 OK\r\n\r\n" + FILE[:-1],
    ],
    ids=["length", "last-chunk", "in-a-chunk", "until-the-end"],
)
async def test_a_part_of_a_file_is_no_mismatch(reply: bytes) -> None:
    assert (await found({"/f": reply}))[0] == Unchecked(Why.TRUNCATED, passing=True)


# answers that are no file


@pytest.mark.parametrize(
    ("status", "passing"),
    [
        ("404 Not Found", False), ("403 Forbidden", False), ("401 Unauthorized", False), ("206 Partial Content", False),
        ("204 No Content", False), ("304 Not Modified", False), ("300 Multiple Choices", False),
        ("429 Too Many Requests", True), ("500 Oops", True), ("503 Later", True),
    ],
)  # fmt: skip
async def test_a_status(status: str, passing: bool) -> None:
    body = b"" if status[:3] in ("204", "304") else FILE
    assert (await found({"/f": answer(body, status=status)}))[0] == Unchecked(Why.HTTP_STATUS, passing)


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    ],
)
async def test_no_http(reply: bytes) -> None:
    assert (await found({"/f": reply}))[0] == Unchecked(Why.UNREACHABLE, passing=True)


async def test_nobody_there() -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        assert await Web(Set()).sha256_of(url, SHA) == Unchecked(Why.UNREACHABLE, passing=True)


async def test_a_handshake_that_is_not_answered() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = f"https://127.0.0.1:{mute.getsockname()[1]}/"
        assert await Web(Set(), connect_wait=0.05).sha256_of(url, SHA) == Unchecked(Why.UNREACHABLE, passing=True)


@pytest.mark.parametrize("host", ["a..b", "x" * 70 + ".example", "nobody.invalid"])
async def test_no_such_name(host: str) -> None:
    async def nowhere(name: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    given = nowhere if host == "nobody.invalid" else resolve
    assert await Web(Set(), resolve=given).sha256_of(f"http://{host}/", SHA) == Unchecked(Why.UNREACHABLE, passing=True)


async def test_a_name_server_that_does_not_answer() -> None:
    async def never(name: str) -> list[str]:
        answer: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        return await answer

    got = await Web(Set(timeout=0.05), resolve=never).sha256_of("http://files.example/", SHA)
    assert got == Unchecked(Why.TIMEOUT, passing=True)


# links that are not visited


@pytest.mark.parametrize(
    "url", ["ftp://files.example/f", "file:///etc/passwd", "gopher://x/", "ipfs://bafy", "//x/f", "f"]
)
async def test_only_http(url: str) -> None:
    assert await Web(Set()).sha256_of(url, SHA) == Unchecked(Why.SCHEME)


@pytest.mark.parametrize(
    "url",
    [
        "http:///f", "http://", "http://a:b@127.0.0.1/", "http://a@127.0.0.1/", "http://:@127.0.0.1/", "http://h:0/",
        "http://h:99999/", "http://h:x/", "http://[::1/", "http://[zz]/", "http:\\\\h\\f", "http://h\x00/",
        "http://\uff11\uff12\uff17.0.0.1/", "http://" + "x" * 70000,
    ],
)  # fmt: skip
async def test_no_address_to_visit(url: str) -> None:
    assert await Web(Set()).sha256_of(url, SHA) == Unchecked(Why.REFUSED_ADDRESS)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "0.0.0.0", "0", "2130706433", "0x7f000001", "0x7f.1", "127.1",
        "0177.0.0.1", "017700000001", "10.0.0.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "[::1]", "[::]",
        "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[fe80::1]", "[fd00::1]",
    ],
)  # fmt: skip
async def test_our_own_network_is_refused_in_every_spelling(host: str) -> None:
    async with Site({"/f": answer()}).running() as site:
        got = await Web(Set(allow_private=False)).sha256_of(f"http://{host}:{site.port}/f", SHA)
        assert got == Unchecked(Why.REFUSED_ADDRESS)
        assert site.heads == []


async def test_one_private_address_is_enough() -> None:
    resolved, _ = asked("1.1.1.1 10.0.0.7")
    got = await Web(Set(allow_private=False), resolve=resolved).sha256_of("http://files.example/", SHA)
    assert got == Unchecked(Why.REFUSED_ADDRESS)


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _has_ipv6(), reason="no IPv6 here")
async def test_an_ipv6_address() -> None:
    async with Site({"/f": answer()}).running("::1") as site:
        assert await Web(Set()).sha256_of(f"http://[::1]:{site.port}/f", SHA) == Matched()
        assert f"Host: [::1]:{site.port}\r\n" in site.heads[0]


# names


async def test_the_connection_goes_to_the_address_that_was_looked_at() -> None:
    resolved, names = asked("127.0.0.1")
    async with Site({"/f": answer()}).running() as site:
        got = await Web(Set(), resolve=resolved).sha256_of(f"http://Files.example:{site.port}/f", SHA)
        assert (got, names) == (Matched(), ["files.example"])
        assert f"Host: files.example:{site.port}\r\n" in site.heads[0]


async def test_the_next_address_is_tried_when_one_is_dead() -> None:
    resolved, _ = asked("127.0.0.2 127.0.0.1")
    async with Site({"/f": answer()}).running() as site:
        assert await Web(Set(), resolve=resolved).sha256_of(f"http://files.example:{site.port}/f", SHA) == Matched()


def _only_one_is_public(address: Address) -> bool:
    """Loopback taken for the internet, with 127.0.0.1 outside and everything else inside."""
    return address == ip_address("127.0.0.1")


async def test_a_name_that_changes_its_mind_stays_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "is_public", _only_one_is_public)
    inside = Site({"/f": answer()})
    async with Site({"/f": answer(), "/g": redirect("/f")}).running() as outside, inside.running(
        "127.0.0.2", outside.port
    ):  # fmt: skip
        resolved, names = asked("127.0.0.1", "127.0.0.2")
        once = Web(Set(allow_private=False), resolve=resolved)
        assert await once.sha256_of(f"http://files.example:{outside.port}/f", SHA) == Matched()
        assert names == ["files.example"]
        resolved, names = asked("127.0.0.1", "127.0.0.2")
        twice = Web(Set(allow_private=False), resolve=resolved)
        assert await twice.sha256_of(f"http://files.example:{outside.port}/g", SHA) == Unchecked(Why.REFUSED_ADDRESS)
        assert names == ["files.example", "files.example"]  # each hop is looked at again
        assert inside.heads == []


# redirects


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_followed_without_cookies(status: str) -> None:
    got, site = await found({"/f": redirect("../g?x#y", status), "/g?x": answer()})
    assert got == Matched()
    assert not [head for head in site.heads if "cookie" in head.lower()]


async def test_three_redirects_and_no_more() -> None:
    paths: dict[str, bytes | Script] = {f"/{n}": redirect(f"/{n + 1}") for n in range(5)}
    assert (await found(paths | {"/3": answer()}, path="/0"))[0] == Matched()
    got, site = await found(paths | {"/4": answer()}, path="/0")
    assert (got, len(site.heads)) == (Unchecked(Why.REDIRECTS), 4)


async def test_a_redirect_in_a_circle_or_to_nowhere() -> None:
    assert (await found({"/f": redirect("/f")}))[0] == Unchecked(Why.REDIRECTS)
    assert (await found({"/f": answer(b"", status="302 Found")}))[0] == Unchecked(Why.REDIRECTS)


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("http://127.0.0.2:{port}/f", Why.REFUSED_ADDRESS),
        ("//localhost:{port}/f", Why.REFUSED_ADDRESS),
        ("http://[::1]:{port}/f", Why.REFUSED_ADDRESS),
        ("http://2130706434:{port}/f", Why.REFUSED_ADDRESS),
        ("http://169.254.169.254/latest/meta-data", Why.REFUSED_ADDRESS),
        ("http://me:mine@127.0.0.1:{port}/f", Why.REFUSED_ADDRESS),
        ("http://[::1", Why.REFUSED_ADDRESS),
        ("http://h:99999/", Why.REFUSED_ADDRESS),
        ("file:///etc/passwd", Why.SCHEME),
        ("ftp://127.0.0.1/f", Why.SCHEME),
        ("data:text/plain,x", Why.SCHEME),
    ],
)
async def test_a_redirect_is_looked_at_like_a_link(to: str, why: Why, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "is_public", _only_one_is_public)
    resolved = ["localhost", "::1"]

    async def resolving(host: str) -> list[str]:
        return ["127.0.0.2"] if host in resolved else await resolve(host)

    inside = Site({"/f": answer()})
    async with Site({}).running() as site, inside.running("127.0.0.2", site.port):
        site.paths["/f"] = redirect(to.format(port=site.port))
        got = await Web(Set(allow_private=False), resolve=resolving).sha256_of(site.url + "/f", SHA)
        assert got == Unchecked(why)
        assert (len(site.heads), inside.heads) == (1, [])


# TLS: the certificate is that of the name, though the connection goes to an address

_KEY = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgHTaHdblxweeDH6rx
CpKYaILxAjslrApnkCgrNZEEnguhRANCAASuZVosgg7ZLdlmJr0r0XL0Dz0H4nzr
v4DliZLuDKm+x2Jap6RHoqsCzC7r5QbWYd/9zIRQ9f/Yfe4MjFfZn1f7
-----END PRIVATE KEY-----"""  # for this test alone
_CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBoDCCAUegAwIBAgIUB2FOdP8QxO75hrzL4LoNgYGYiuwwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNZmlsZXMuZXhhbXBsZTAgFw0yNjExMjMwMjQ0NTVaGA8yMTI2
MTAzMDAyNDQ1NVowGDEWMBQGA1UEAwwNZmlsZXMuZXhhbXBsZTBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABK5lWiyCDtkt2WYmvSvRcvQPPQfifOu/gOWJku4Mqb7H
YlqnpEeiqwLMLuvlBtZh3/3MhFD1/9h97gyMV9mfV/ujbTBrMB0GA1UdDgQWBBQ9
Ms0usBpEyvVb1hB8Uo6xCYIkTTAfBgNVHSMEGDAWgBQ9Ms0usBpEyvVb1hB8Uo6x
CYIkTTAPBgNVHRMBAf8EBTADAQH/MBgGA1UdEQQRMA+CDWZpbGVzLmV4YW1wbGUw
CgYIKoZIzj0EAwIDRwAwRAIgOdrsD6eYta4JsV6d6pGDe/vDJkTeXUnREHTJXfXJ
XFsCIHJdvNNAyUUnQIUj8hjhHrHwjQHRhWXz2Bnkl7731CqS
-----END CERTIFICATE-----"""  # files.example, until 2126


def _server_tls(folder: Path) -> ssl.SSLContext:
    (folder / "pem").write_text(f"{_KEY}\n{_CERTIFICATE}\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pem")
    return context


async def test_the_certificate_is_checked_for_the_name(tmp_path: Path) -> None:
    context = _server_tls(tmp_path)
    named: list[str | None] = []
    context.sni_callback = lambda _, name, __: named.append(name)
    tls = ssl.create_default_context(cadata=_CERTIFICATE)

    async def loopback(host: str) -> list[str]:
        return ["127.0.0.1"]

    async with Site({"/f": answer()}).running(tls=context) as site:
        known = Web(Set(), resolve=loopback, tls=tls)
        assert await known.sha256_of(f"https://files.example:{site.port}/f", SHA) == Matched()
        assert await known.sha256_of(f"https://files.example.:{site.port}/f", SHA) == Matched()
        assert named == ["files.example"] * 2
        untrusted = Unchecked(Why.UNREACHABLE, passing=True)
        assert await known.sha256_of(f"https://other.example:{site.port}/f", SHA) == untrusted
        assert await known.sha256_of(f"https://127.0.0.1:{site.port}/f", SHA) == untrusted
        stranger = Web(Set(), resolve=loopback)
        assert await stranger.sha256_of(f"https://files.example:{site.port}/f", SHA) == untrusted
        assert len(site.heads) == 2


async def test_a_redirect_may_enter_https_and_not_leave_it(tmp_path: Path) -> None:
    tls = ssl.create_default_context(cadata=_CERTIFICATE)

    async def loopback(host: str) -> list[str]:
        return ["127.0.0.1"]

    async with Site({"/f": answer()}).running() as plain, Site({"/f": answer()}).running(
        tls=_server_tls(tmp_path)
    ) as safe:  # fmt: skip
        plain.paths["/up"] = redirect(f"https://files.example:{safe.port}/f")
        safe.paths["/down"] = redirect(f"http://files.example:{plain.port}/f")
        visits = Web(Set(), resolve=loopback, tls=tls)
        assert await visits.sha256_of(f"http://files.example:{plain.port}/up", SHA) == Matched()
        assert await visits.sha256_of(f"https://files.example:{safe.port}/down", SHA) == Unchecked(Why.SCHEME)


# bounds


async def test_a_large_file_does_not_stay_in_memory() -> None:
    size = 2**25

    async def large(writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"", length=size))
        for _ in range(size // 2**16):
            writer.write(bytes(2**16))
            await writer.drain()

    tracemalloc.start()
    try:
        got, _ = await found({"/f": large}, replace(Set(), max_bytes=size, timeout=60))
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()
    assert isinstance(got, Mismatched)


async def test_cancelled_in_the_middle_leaves_no_connection() -> None:
    begun = asyncio.Event()

    async def slow(writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"x", length=100))
        begun.set()
        await _forever(writer, b"x")

    async with Site({"/f": slow}).running() as site:
        task = asyncio.create_task(Web(Set()).sha256_of(site.url + "/f", SHA))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await site.closed.wait()
