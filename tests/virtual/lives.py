"""Steps of a life, as people take them; each waits for what the world shows, not for time."""

from __future__ import annotations

import re
from typing import Any

from tests.virtual.world import Person, Town

HASH = "ab" * 32


async def state(town: Town, task: str, wanted: str, within: float = 120.0) -> dict[str, Any]:
    """The public state event says so."""

    async def there() -> dict[str, Any] | None:
        facts = [each for each in town.state_events() if each["task"] == task]
        return facts[0] if facts and facts[0]["state"] == wanted else None

    return await town.until(there, within)


async def told(town: Town, person: Person, pattern: str, within: float = 120.0, since: int = 0) -> str:
    """The person has been told something that matches."""

    async def there() -> str | None:
        return next((text for text in (await person.read())[since:] if re.search(pattern, text)), None)

    return await town.until(there, within)


async def entry(town: Town, task: str, kind: str, within: float = 120.0) -> dict[str, Any]:
    """The newest log entry of that type."""

    async def there() -> dict[str, Any] | None:
        found = [each for each in town.log_of(task) if each["type"] == kind]
        return found[-1] if found else None

    return await town.until(there, within)


async def offered(town: Town, sat: int = 50_000, deadline: int = 3 * 86400, d: str = "job", **terms: Any) -> str:
    """A signed task event, until it is Draft; returns the task's id."""
    event = await town.employer.offer(sat, "Build a landing page", town.time + deadline, d, **terms)

    async def there() -> str | None:
        return next((s["task"] for s in town.state_events() if s["root"] == event.id), None)

    return await town.until(there)


async def invoiced(town: Town, task: str) -> str:
    before = len(await town.employer.read())
    await town.employer.say(f"fund {task}")
    card = await told(town, town.employer, r"(?i)lightning:lnplay", since=before)
    found = re.search(r"(?i)lnplay[0-9a-z]+", card)
    assert found, card
    return found.group(0).lower()


async def funded(town: Town, **terms: Any) -> str:
    task = await offered(town, **terms)
    invoice = await invoiced(town, task)
    town.employer.wallet.pay(invoice)
    await state(town, task, "Funded")
    return task


async def claimed(town: Town, destination: bool = True, **terms: Any) -> str:
    task = await funded(town, **terms)
    await claim(town, task, destination)
    return task


async def claim(town: Town, task: str, destination: bool = True) -> None:
    reward = town.state_of(task)["reward_msat"]
    invoice = town.worker.wallet.invoice(reward, expiry=30 * 86400) if destination else ""
    await town.worker.say(f"claim {task} {invoice}".strip())
    await state(town, task, "Claimed")


async def delivered(town: Town, destination: bool = True, **terms: Any) -> str:
    task = await claimed(town, destination, **terms)
    await town.worker.say(f"submit {task} https://example.org/page.zip {HASH} done")
    await entry(town, task, "proof.submitted")
    return task
