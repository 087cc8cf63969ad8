"""A receipt as a page for printing and filing: one HTML file without scripts, links or anything that it would have to fetch.

Whatever a stranger wrote (a title) is escaped, and its line kept one line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from kinds.cards import receipt_sums, transaction_words
from kinds.figures import iso_text, npub, sats_text
from kinds.hours import hours_text
from kinds.legible import one_line
from kinds.units import is_hex64
from kinds.wording.template import line
from kinds.wording.words import LABELS, WORDS

Facts = Mapping[str, Any]

_STYLE = (
    "body{font:11pt/1.4 sans-serif;margin:2em auto;max-width:60em;padding:0 1em;color:#000;background:#fff}"
    "h1{font-size:1.3em}h2{font-size:1.05em;margin-top:1.5em}table{border-collapse:collapse;width:100%;font-size:.85em}"
    "th,td{border:1px solid #999;padding:.3em .4em;text-align:left;vertical-align:top}"
    "code{font-family:monospace;overflow-wrap:anywhere}dt{font-weight:bold}dd{margin:0 0 .5em}"
    ".play{border:2px solid #000;padding:.4em;font-weight:bold}"
)
_COLUMNS = ("id", "type", "status", "amount", "fee", "paid_by", "released_to", "created_at", "released_at")


def receipt_page(facts: Facts, now: int) -> str:
    """The facts of a `receipt` answer as a whole HTML document; secrets in it are those of the reader, as plain text."""
    found = [each for each in facts.get("transactions") or () if isinstance(each, Mapping)]
    many = isinstance(facts.get("milestones"), int) and facts["milestones"] > 1
    about = {**facts, "milestones": facts.get("milestones") if many else None}
    parts = [
        _tag("h1", _say("page", about, now)),
        _tag("p", _say("page play", about, now), "play") if facts.get("network") == "simnet" else "",
        _tag("p", _say("page task", about, now)),
        _tag("p", _say("page written", about, now)),
        _people(facts, now),
        _table(found, many, now),
        *(_tag("p", each) for each in map(escape, receipt_sums(facts, now))),
        *(_proof(each, now) for each in found if each.get("preimage")),
        _tag("h2", _say("page verify", about, now)),
        _tag("p", _say("page steps", about, now)),
    ]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{_say('page title', about, now)}</title><style>{_STYLE}</style>"
    )
    body = "\n".join(each for each in parts if each)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _say(name: str, facts: Facts, now: int) -> str:
    return escape(line(LABELS[name], facts, now))


def _tag(name: str, content: str, css: str = "") -> str:
    return f"<{name}{f' class={css}' if css else ''}>{content}</{name}>" if content else ""


def _people(facts: Facts, now: int) -> str:
    rows = [
        _tag("dt", _say(f"page {name}", facts, now)) + _tag("dd", _key(facts.get(fact)))
        for name, fact in (("employer", "employer"), ("worker", "worker"), ("operator", "bot"))
        if facts.get(fact)
    ]
    return _tag("dl", "".join(rows))


def _key(who: Any) -> str:
    return _tag("code", escape(npub(who) if is_hex64(who) else one_line(str(who)))) if who else ""


def _table(found: Sequence[Facts], many: bool, now: int) -> str:
    header = _tag("tr", "".join(_tag("th", _say(f"column {name}", {}, now)) for name in _COLUMNS))
    return _tag("table", header + "".join(_row(each, many) for each in found))


def _row(each: Facts, many: bool) -> str:
    words = transaction_words(each, many)
    number = f", milestone {words['of_milestone']}" if words["of_milestone"] else ""
    number += f", {hours_text(each['hours'])} hours" if isinstance(each.get("hours"), int) else ""
    kind = f"{words['name']} ({each.get('type')}{number})"
    what, price = each.get("what"), each.get("currency_amount")
    cells = {
        "id": one_line(str(each.get("id") or "")),
        "type": kind + (f": {WORDS.get(str(what)) or one_line(str(what))}" if what else ""),
        "status": one_line(str(each.get("status") or "")),
        "amount": _sats(each.get("amount_msat")) + (f" ({price} {each.get('currency')})" if price else ""),
        "fee": _sats(each.get("fee_msat")) if each.get("fee_msat") else "",
        "created_at": _time(each.get("created_at")),
        "released_at": _time(each.get("released_at")),
    }
    shown = [
        _key(each.get(name)) if name in ("paid_by", "released_to") else escape(one_line(cells[name]))
        for name in _COLUMNS
    ]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in shown) + "</tr>"


def _sats(amount: Any) -> str:
    return sats_text(amount) if isinstance(amount, int) else ""


def _time(at: Any) -> str:
    return iso_text(at) if isinstance(at, int) else ""


def _proof(each: Facts, now: int) -> str:
    rows = [
        _tag("dt", _say(f"page {name}", each, now)) + _tag("dd", _tag("code", escape(one_line(str(each.get(fact))))))
        for name, fact in (("payment hash", "payment_hash"), ("preimage", "preimage"))
    ]
    return (
        _tag("h2", _say("page proof", each, now))
        + _tag("dl", "".join(rows))
        + _tag("p", _say("page proves", each, now))
    )
