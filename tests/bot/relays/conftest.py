"""The SDK calls back into the event loop, and each test has its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.relays.embedded import embedded_relay
from bot.relays.sdk import nostr_sdk


@pytest.fixture(autouse=True)
async def _sdk_loop() -> None:
    nostr_sdk.uniffi_set_event_loop(asyncio.get_running_loop())


@pytest.fixture
async def relay_url() -> AsyncIterator[str]:
    async with embedded_relay("127.0.0.1", 0) as url:
        yield url
