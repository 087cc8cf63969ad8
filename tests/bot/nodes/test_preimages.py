"""Preimages that are derived and never stored."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from pathlib import Path

import pytest

from bot.nodes.preimages import BadKeyFile, Preimages, find_keys, read_keys, read_or_make_keys
from kinds.lightning import HoldRef
from kinds.units import PaymentHash

OLD, NEW = b"\x01" * 32, b"\x02" * 32


def test_a_preimage_follows_from_key_and_ref() -> None:
    preimages = Preimages((OLD,))
    payment_hash = preimages.hash_for("task/h1")
    preimage = hmac.digest(OLD, b"task/h1", "sha256")
    assert payment_hash == hashlib.sha256(preimage).hexdigest()
    found = preimages.find(HoldRef("task/h1", payment_hash))
    assert found is not None
    assert (found.reveal(), str(found)) == (preimage.hex(), "***")
    assert preimages.find(HoldRef("task/h2", payment_hash)) is None
    assert preimages.find(HoldRef("task/h1", PaymentHash("ab" * 32))) is None


def test_after_a_rotation_old_holds_are_still_settled() -> None:
    old, both = Preimages((OLD,)), Preimages((NEW, OLD))
    payment_hash = old.hash_for("task/h1")
    assert both.find(HoldRef("task/h1", payment_hash)) == old.find(HoldRef("task/h1", payment_hash))
    assert both.hash_for("task/h1") != payment_hash
    assert both.hashes("task/h1") == (both.hash_for("task/h1"), payment_hash)


def test_a_key_file_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "preimage.key"
    made = read_or_make_keys(path, os.urandom)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_or_make_keys(path, os.urandom) == made
    path.write_text(f"{NEW.hex()}\n{made[0].hex()}\n")
    assert read_keys(path) == (NEW, *made)


@pytest.mark.parametrize("text", ["", "abcd\n", "zz" * 32, "01" * 31, f"{'01' * 32}\nsomething\n", "\udcff"])
def test_a_broken_key_file_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "preimage.key"
    path.write_bytes(text.encode(errors="surrogateescape"))
    path.chmod(0o600)
    with pytest.raises(BadKeyFile, match=r"preimage\.key"):
        read_or_make_keys(path, os.urandom)
    assert path.read_bytes() == text.encode(errors="surrogateescape")


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "preimage.key"
    path.write_text("01" * 32)
    path.chmod(0o640)
    with pytest.raises(BadKeyFile, match="chmod 600"):
        read_keys(path)


def test_nowhere_to_write_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadKeyFile, match="cannot be made"):
        read_or_make_keys(tmp_path / "nowhere" / "preimage.key", os.urandom)


def test_where_the_keys_are_looked_for(tmp_path: Path) -> None:
    """The environment, the credential, the named file, the data directory: the first that is there, and only the last is made."""
    default, named, folder = tmp_path / "preimage.key", tmp_path / "named.key", tmp_path / "credentials"
    folder.mkdir()
    environ: dict[str, str] = {}
    with pytest.raises(BadKeyFile, match=r"named\.key cannot be read"):
        find_keys(named, default, os.urandom, environ)
    assert not named.exists()
    made = find_keys(None, default, os.urandom, environ)
    assert find_keys(None, default, os.urandom, environ) == made == read_keys(default)
    named.write_text(NEW.hex())
    named.chmod(0o600)
    assert find_keys(named, default, os.urandom, environ) == (NEW,)
    environ["CREDENTIALS_DIRECTORY"] = str(folder)
    assert find_keys(named, default, os.urandom, environ) == (NEW,)
    (folder / "preimage.key").write_text(OLD.hex())
    assert find_keys(named, default, os.urandom, environ) == (OLD,)
    environ["HOLDFAST_PREIMAGE_KEY"] = f"{NEW.hex()} {OLD.hex()}"
    assert find_keys(named, default, os.urandom, environ) == (NEW, OLD)
    environ["HOLDFAST_PREIMAGE_KEY"] = "secret"
    with pytest.raises(BadKeyFile, match="HOLDFAST_PREIMAGE_KEY does not hold keys") as raised:
        find_keys(named, default, os.urandom, environ)
    assert "secret" not in str(raised.value)
