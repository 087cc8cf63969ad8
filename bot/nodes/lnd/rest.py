"""LND's REST interface: one question and its answer, or a stream of messages.

Only the pinned certificate is trusted, byte for byte: neither names nor dates nor authorities count, since the key behind that
certificate is what the operator has named. The macaroon goes out only after the handshake has shown it.

Nothing is raised for trouble. What comes back is a message of LND, a `Refusal` in its own words, or `Silence`: no answer that
proves anything. A cancelled call may or may not have reached LND.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import structlog

from bot.nodes.lnd.lines import Lines
from kinds.units import Secret

Row = Mapping[str, Any]

_WITHIN = 10.0  # seconds for a question
_CONNECT = 5.0
_QUIET = 600.0  # seconds without a message after which a stream is not believed to be alive any more
_ALIVE = [  # the system asks the other side after 15 s of silence, every 5 s, three times
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ),
]
_TROUBLE = (httpx.HTTPError, httpx.StreamError, OSError, RuntimeError)  # RuntimeError: closed meanwhile
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Refusal:
    """LND's own error: it has heard the question. `code` is gRPC's."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer, or none of LND: nothing is known, not even whether the question arrived."""


Reply = Row | Refusal | Silence


class Rest:
    def __init__(
        self, url: str, certificate: bytes, macaroon: Secret, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """`certificate` is the only one that is trusted, as DER."""
        self.macaroon = macaroon
        self._url = url
        self._headers = {"Grpc-Metadata-macaroon": macaroon.reveal()}
        self._transport = transport or Lines(pinned(certificate), _ALIVE)
        self._well, self._closed = True, False

    async def ask(
        self, method: str, path: str, body: Row | None = None, params: Mapping[str, str] | None = None
    ) -> Reply:
        try:
            async with asyncio.timeout(_WITHIN), self._answer(method, path, body, params, _WITHIN) as answer:
                raw = await answer.aread()
        except (*_TROUBLE, TimeoutError) as error:
            return self._silence(error)
        self._answers()
        return _reply(raw)

    async def stream(
        self, method: str, path: str, body: Row | None = None, params: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Reply, None]:
        """Messages as they come, until LND or the connection ends it; a refusal or a silence is always the last one. A connection
        can be used again when its stream was read to the end."""
        try:
            async with self._answer(method, path, body, params, _QUIET) as answer:
                if answer.is_error:  # refused before it began: the body is all there is
                    raw = await answer.aread()
                    self._answers()
                    yield _message(raw)
                    return
                async for line in answer.aiter_lines():
                    if not line.strip():
                        continue
                    self._answers()
                    reply = _message(line)
                    yield reply
                    if isinstance(reply, (Refusal, Silence)):
                        return
        except _TROUBLE as error:
            yield self._silence(error)

    @asynccontextmanager
    async def _answer(
        self, method: str, path: str, body: Row | None, params: Mapping[str, str] | None, within: float
    ) -> AsyncIterator[httpx.Response]:
        """`within`: seconds for each piece of the answer. httpx's client is passed by: it does much that nobody needs here, at each
        question, and takes longer for it than LND does to answer."""
        if self._closed:
            raise RuntimeError("it was closed meanwhile")
        timeout = httpx.Timeout(within, connect=_CONNECT).as_dict()
        url, headers = self._url + path, self._headers
        answer = await self._transport.handle_async_request(
            httpx.Request(method, url, params=params, json=body, headers=headers, extensions={"timeout": timeout})
        )
        try:
            yield answer
        finally:
            await answer.aclose()

    async def aclose(self) -> None:
        self._closed = True
        await self._transport.aclose()

    def _answers(self) -> None:
        if not self._well:
            log.info("LND answers again")
        self._well = True

    def _silence(self, error: BaseException) -> Silence:
        if self._well and not self._closed:
            log.warning("LND does not answer", error=type(error).__name__)
        self._well = False
        return Silence()


def complain(what: str, reply: Reply) -> None:
    """LND's words are the operator's own node's: they help him, and hold no secret (a macaroon or invoice is not in them)."""
    if isinstance(reply, Refusal):
        log.warning(what, code=reply.code, message=reply.message[:200])


class _Pinned(ssl.SSLObject):
    """One end of a TLS connection that accepts only one certificate."""

    pin: bytes

    def do_handshake(self) -> None:
        super().do_handshake()
        if self.getpeercert(binary_form=True) != self.pin:
            raise ssl.SSLCertVerificationError("the certificate is not the pinned one")


def pinned(certificate: bytes) -> ssl.SSLContext:
    """Trusts this certificate (DER) and no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the comparison below is stricter
    context.sslobject_class = type("_Pinned", (_Pinned,), {"pin": certificate})
    return context


def _reply(raw: bytes | str) -> Reply:
    """LND's answer: an object, or its error, whatever the HTTP status says."""
    try:
        row = json.loads(raw)
    except ValueError:
        return Silence()
    return _refusal_in(row) or row if isinstance(row, dict) else Silence()


def _message(raw: bytes | str) -> Reply:
    """One line of a stream: `{"result": ...}` or `{"error": ...}`."""
    row = _reply(raw)
    if isinstance(row, (Refusal, Silence)):
        return row
    inner = row.get("result", row.get("error"))
    if not isinstance(inner, dict):
        return Silence()
    return inner if "result" in row else _refusal_in(inner) or Silence()


def _refusal_in(row: Row) -> Refusal | None:
    code, message = row.get("code"), row.get("message")
    return Refusal(code, message) if isinstance(code, int) and isinstance(message, str) else None
