"""Sealed files: what was sealed opens to the same bytes, and whatever was done to it does not open at all."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from bot.client.sealing import CHUNK, MAGIC, TAG, NotOpened, new_key, read_key, seal, unseal
from kinds.units import Secret, hash_of

KEY = Secret(bytes(range(32)).hex())
WHOLE = CHUNK + TAG
PROTOCOL = Path(__file__).parents[2] / "docs" / "PROTOCOL.md"


def sealed(place: Path, content: bytes, key: Secret = KEY) -> bytes:
    (place / "plain").write_bytes(content)
    made = seal(place / "plain", place / "sealed", key)
    body = (place / "sealed").read_bytes()
    assert made.sha256 == hashlib.sha256(body).hexdigest()
    assert made.key_hash == hash_of(key)
    (place / "sealed").unlink()
    return body


def opened(place: Path, body: bytes, key: Secret = KEY) -> bytes:
    (place / "got").write_bytes(body)
    try:
        unseal(place / "got", place / "opened", key)
    except NotOpened:
        assert sorted(each.name for each in place.iterdir()) == ["got", "plain"], "nothing of it is left"
        raise
    body = (place / "opened").read_bytes()
    (place / "opened").unlink()
    return body


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7])
def test_there_and_back(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    body = sealed(tmp_path, content)
    assert len(body) == len(MAGIC) + size + TAG * max(1, -(-size // CHUNK))
    assert opened(tmp_path, body) == content


def test_the_vector_of_the_document(tmp_path: Path) -> None:
    line = next(line for line in PROTOCOL.read_text().splitlines() if line.startswith("Test vector: the key"))
    body, key_hash = re.findall(r"`([0-9a-f]{64,})`", line)
    assert sealed(tmp_path, b"Holdfast").hex() == body
    assert hash_of(KEY) == key_hash


def test_as_the_document_says_by_other_means(tmp_path: Path) -> None:
    """The second implementation: chunk by chunk, from the words of the document."""
    content = os.urandom(2 * 65_536 + 5)
    body, cipher, plain = sealed(tmp_path, content), ChaCha20Poly1305(bytes(range(32))), b""
    assert body[:8] == b"HFSEAL1\n"
    for number in range(3):
        block = body[8 + number * 65_552 : 8 + (number + 1) * 65_552]
        plain += cipher.decrypt(bytes(10) + bytes([number, number == 2]), block, b"HFSEAL1\n")
    assert plain == content


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body[:-1],
        lambda body: body[: len(MAGIC) + WHOLE],  # the end is cut off between chunks
        lambda body: body[: len(MAGIC) + 2 * WHOLE],
        lambda body: body[: len(MAGIC)],
        lambda body: body + b"\0",
        lambda body: body + body[len(MAGIC) + 2 * WHOLE :],
        lambda body: body[: len(MAGIC)] + body[len(MAGIC) + WHOLE : len(MAGIC) + 2 * WHOLE] + body[len(MAGIC) :],
        lambda body: body[: len(MAGIC)] + body[len(MAGIC) + WHOLE :],
        lambda body: body[:100] + bytes([body[100] ^ 1]) + body[101:],
        lambda body: b"HFSEAL2\n" + body[8:],
        lambda body: b"",
        lambda body: b"PK\3\4 something else",
    ],
)
def test_what_was_changed_does_not_open(tmp_path: Path, spoil: object) -> None:
    body = sealed(tmp_path, os.urandom(2 * CHUNK + 100))
    with pytest.raises(NotOpened):
        opened(tmp_path, spoil(body))  # type: ignore[operator]


def test_an_empty_chunk_behind_a_whole_one_does_not_open(tmp_path: Path) -> None:
    """One content has one form."""
    cipher = ChaCha20Poly1305(bytes(range(32)))
    first = cipher.encrypt(bytes(12), bytes(CHUNK), MAGIC)
    last = cipher.encrypt(bytes(10) + b"\1\1", b"", MAGIC)
    sealed(tmp_path, b"x")
    with pytest.raises(NotOpened):
        opened(tmp_path, MAGIC + first + last)


def test_another_key_does_not_open_it(tmp_path: Path) -> None:
    body = sealed(tmp_path, b"work")
    with pytest.raises(NotOpened):
        opened(tmp_path, body, new_key())
    assert new_key() != new_key()


@pytest.mark.parametrize("text", ["", "5e", "5e" * 33, "g" * 64, "nsec1" + "q" * 58])
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(NotOpened) as caught:
        read_key(text)
    assert len(text) < 3 or text not in str(caught.value)
    assert read_key(f" {KEY.reveal().upper()}\n") == KEY


def test_nothing_is_overwritten_and_others_cannot_read_it(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"work")
    made = seal(tmp_path / "plain", tmp_path / "sealed", KEY)
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    before = made.file.read_bytes()
    with pytest.raises(FileExistsError):
        seal(tmp_path / "plain", tmp_path / "sealed", new_key())
    assert made.file.read_bytes() == before
    with pytest.raises(FileExistsError):
        unseal(tmp_path / "sealed", tmp_path / "plain", KEY)
    with pytest.raises(FileNotFoundError):
        seal(tmp_path / "missing", tmp_path / "other", KEY)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["plain", "sealed"]
