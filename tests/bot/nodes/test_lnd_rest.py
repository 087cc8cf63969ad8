"""The wire to LND: one certificate, and trouble that is never raised."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from bot.config import BadConfig
from bot.nodes.lnd import Rest, read_certificate, read_macaroon
from bot.nodes.lnd.rest import Refusal, Silence
from kinds.units import Secret

MACAROON = Secret("0201036c6e64")


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate that signs itself, as LND makes one, for a name that is not the one under which it is reached."""
    cert, key = folder / f"{name}.cert", folder / f"{name}.key"
    secret, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    itself = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lnd")])
    made = (
        x509.CertificateBuilder()
        .subject_name(itself)
        .issuer_name(itself)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(secret, hashes.SHA256())
    )
    cert.write_bytes(made.public_bytes(Encoding.PEM))
    key.write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return cert, key


@asynccontextmanager
async def server(cert: Path, key: Path, body: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answers everything with this body; and what it was asked."""
    asked: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    listening = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}", asked
    finally:
        listening.close()


async def test_only_the_pinned_certificate_is_spoken_to(tmp_path: Path) -> None:
    """Another one gets neither an answer nor the macaroon, although both sign themselves for the same name."""
    ours, theirs = certificate(tmp_path, "ours"), certificate(tmp_path, "theirs")
    async with server(*ours, b'{"state": "SERVER_ACTIVE"}') as (url, asked):
        good, bad = (Rest(url, read_certificate(pair[0]), MACAROON) for pair in (ours, theirs))
        assert await bad.ask("GET", "/v1/state") == Silence()
        assert [each async for each in bad.stream("GET", "/v1/state")] == [Silence()]
        assert asked == []
        assert await good.ask("GET", "/v1/state") == {"state": "SERVER_ACTIVE"}
        assert b"grpc-metadata-macaroon: 0201036c6e64" in asked[0].lower()
        await good.aclose()
        await bad.aclose()


async def test_nobody_there(tmp_path: Path) -> None:
    rest = Rest("https://127.0.0.1:1", read_certificate(certificate(tmp_path, "ours")[0]), MACAROON)
    with structlog.testing.capture_logs() as logs:
        assert await rest.ask("GET", "/v1/getinfo") == Silence()
        assert [each async for each in rest.stream("GET", "/v1/getinfo")] == [Silence()]
        await rest.aclose()
        assert await rest.ask("GET", "/v1/getinfo") == Silence()
    assert [each["event"] for each in logs] == ["LND does not answer"]  # once, not at each try


@pytest.mark.parametrize(
    ("status", "body", "reply"),
    [
        (200, b'{"a": "1"}', {"a": "1"}),
        (
            404,
            b'{"code": 5, "message": "unable to locate invoice", "details": []}',
            Refusal(5, "unable to locate invoice"),
        ),
        (500, b'{"code": 2, "message": "permission denied"}', Refusal(2, "permission denied")),
        (502, b"<html>bad gateway</html>", Silence()),
        (200, b"", Silence()),
        (200, b"[1]", Silence()),
        (200, b"\xff\xfe{", Silence()),
    ],
)
async def test_answers(status: int, body: bytes, reply: object) -> None:
    rest = Rest("https://lnd", b"", MACAROON, httpx.MockTransport(lambda _: httpx.Response(status, content=body)))
    assert await rest.ask("GET", "/v1/getinfo") == reply


@pytest.mark.parametrize(
    ("body", "replies"),
    [
        (b'{"result": {"a": 1}}\n\n{"result": {"a": 2}}\n', [{"a": 1}, {"a": 2}]),
        (
            b'{"result": {"a": 1}}\n{"error": {"code": 2, "message": "gone"}}\n{"result": {}}',
            [{"a": 1}, Refusal(2, "gone")],
        ),
        (b'{"code": 5, "message": "Not Found", "details": []}', [Refusal(5, "Not Found")]),
        (b'{"result": {"a": 1}}\n{"resu', [{"a": 1}, Silence()]),
        (b'{"something": "else"}', [Silence()]),
        (b"", []),
    ],
)
async def test_streams(body: bytes, replies: list[object]) -> None:
    rest = Rest("https://lnd", b"", MACAROON, httpx.MockTransport(lambda _: httpx.Response(200, content=body)))
    assert [each async for each in rest.stream("GET", "/v2/router/payments")] == replies


def test_files_that_are_not_what_they_should_be(tmp_path: Path) -> None:
    """The complaint names setting and file, and quotes nothing of it."""
    path = tmp_path / "file"
    for read, setting in ((read_certificate, "lnd.tls_cert"), (read_macaroon, "lnd.macaroon")):
        with pytest.raises(BadConfig, match=f"{setting}: .*file cannot be read"):
            read(path)
    path.write_bytes(b"secret things")
    with pytest.raises(BadConfig, match="holds no certificate") as raised:
        read_certificate(path)
    assert "secret" not in str(raised.value)
    assert (read_macaroon(path).reveal(), str(read_macaroon(path))) == (b"secret things".hex(), "***")
    path.write_bytes(b"")
    with pytest.raises(BadConfig, match="is empty"):
        read_macaroon(path)
