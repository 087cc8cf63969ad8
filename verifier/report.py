"""The verdict: per task the first violation and how well everything is proven; as text for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from verifier.findings import Finding

_SHOWN = 5  # warnings per task in the text


@dataclass(frozen=True, slots=True)
class Verdict:
    """What can be said of one task. `violations` are in the order of the log.

    `evidence`: the weakest on which money moved (signed, attested, silence), None while none has.
    `payout`: how the worker was paid: proven (he signed for this very payment hash, and its preimage is shown), attested
    (the daemon's word), credited (owed, not paid); None when he was not.
    """

    task: str
    title: str
    state: str
    entries: int
    evidence: str | None
    payout: str | None
    violations: tuple[Finding, ...]
    warnings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.violations

    @property
    def first(self) -> Finding | None:
        return next(iter(self.violations), None)

    def as_dict(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "ok": self.ok,
            "title": self.title,
            "state": self.state,
            "entries": self.entries,
            "evidence": self.evidence,
            "payout": self.payout,
            "violations": [finding.as_dict() for finding in self.violations],
            "warnings": [finding.as_dict() for finding in self.warnings],
        }


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was found about one daemon. `violations` and `warnings` here are those that belong to no single task."""

    bot: str
    tasks: tuple[Verdict, ...]
    checkpoints: int  # entries of the daemon's own chain
    violations: tuple[Finding, ...]
    warnings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.violations and all(verdict.ok for verdict in self.tasks)

    def all_violations(self) -> tuple[Finding, ...]:
        return (*self.violations, *(finding for verdict in self.tasks for finding in verdict.violations))

    def all_warnings(self) -> tuple[Finding, ...]:
        return (*self.warnings, *(finding for verdict in self.tasks for finding in verdict.warnings))

    def as_dict(self) -> dict[str, Any]:
        return {
            "v": 1,
            "ok": self.ok,
            "bot": self.bot,
            "checkpoints": self.checkpoints,
            "tasks": [verdict.as_dict() for verdict in self.tasks],
            "violations": [finding.as_dict() for finding in self.violations],
            "warnings": [finding.as_dict() for finding in self.warnings],
        }

    def to_json(self) -> str:
        return json.dumps(self.as_dict(), ensure_ascii=False)

    def to_text(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for verdict in self.tasks:
            yield from _task_lines(verdict)
        for finding in self.violations:
            yield f"VIOLATED  {finding}"
        for finding in self.warnings[:_SHOWN]:
            yield f"note      {finding}"
        sound = sum(verdict.ok for verdict in self.tasks)
        found = len(self.all_violations())
        end = "Nothing contradicts the protocol." if self.ok else f"{found} violation{'s' if found != 1 else ''}."
        yield f"{sound} of {len(self.tasks)} tasks sound, {self.checkpoints} entries of the daemon's own chain. {end}"


def _task_lines(verdict: Verdict) -> Iterator[str]:
    word = "sound     " if verdict.ok else "VIOLATED  "
    yield f"{word}{verdict.task}  {verdict.state or '?'}, {verdict.entries} entries: {_clean(verdict.title)}"
    if verdict.evidence:
        yield f"          money moved on evidence no weaker than: {verdict.evidence}"
    if verdict.payout:
        yield f"          payment to the worker: {verdict.payout}"
    if verdict.first:
        more = len(verdict.violations) - 1
        yield f"          {verdict.first}{f' (and {more} more)' if more else ''}"
    for finding in verdict.warnings[:_SHOWN]:
        yield f"          note: {finding.code}: {finding.detail}"


def _clean(text: str) -> str:
    """A stranger's title, without what would move a terminal's cursor."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:80])
