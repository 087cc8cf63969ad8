"""Every quirk of a kind of node ends in its adapter: elsewhere nobody knows which kinds there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
KNOWS = {
    "bot/config.py",
    "bot/cli/__init__.py",
    "bot/cli/cln.py",
}  # the settings, and the command that installs the plugin
NAMES = re.compile(r"\b(lnd|cln|nwc|lightningd|alby)\b", re.IGNORECASE)
MODULES = sorted(
    str(path.relative_to(ROOT))
    for room in ("bot", "storage", "handlers", "kinds", "verifier")
    for path in (ROOT / room).rglob("*.py")
    if "nodes" not in path.parts
)


@pytest.mark.parametrize("name", [each for each in MODULES if each not in KNOWS])
def test_nobody_else_names_a_kind_of_node(name: str) -> None:
    assert NAMES.findall((ROOT / name).read_text()) == []
