"""Short cities that follow a script (`stage` has its words): what has happened to others, and the ways through the transition table that
people and chance walk too seldom. Together with the cities by chance they walk all of it."""

from __future__ import annotations

from typing import Any

from tests.simulation.stage import Scenario

FUNDED = """
    employer fund
    until PendingFunding
    employer lock
    until Funded
"""
CLAIMED = FUNDED + "worker claim_named\nuntil Claimed\n"
PROVED = CLAIMED + "worker submit\nuntil proof.submitted\n"
APPROVED = PROVED + "employer approve\nuntil Verified\n"
DISPUTED = PROVED + "worker dispute\nuntil Disputed\n"
IN_FLIGHT = PROVED + "node payout_stuck=True\nemployer approve\nuntil Verified\nwait 120\nnode well\n"
ON_CHAIN = IN_FLIGHT + "payee on_chain\n"
UNNAMED = """
    worker claim_later
    until Claimed
    worker submit
    until proof.submitted
    employer approve
    until Verified
    wait 120
"""  # the worker is asked for a destination, and told so
ROLLS: dict[str, Any] = {"on_hold_end": "rollover then refund"}
LONG: dict[str, Any] = {"hold_cltv": 700}
BOOKS: dict[str, Any] = {
    "custody_mode": "ledger"
}  # the hold goes into the daemon's books when somebody claims the task
AT_END: dict[str, Any] = {"on_hold_end": "ledger"}
SLOWLY = FUNDED + "node loses settle\nworker claim_later\nuntil Claimed\n"  # ... and the node does not yet know of it

INCIDENTS = (
    Scenario(
        "an invoice is replaced in flight",
        IN_FLIGHT
        + """
        worker payout_swap
        worker payout_swap
        thief payout
        wait 300
        worker payout_swap
        payee takes
        """,
        "Paid",
        "RoboSats #2528: an invoice replaced while in flight, paid twice",
    ),
    Scenario(
        "a withdrawal twice at once",
        FUNDED
        + UNNAMED
        + """
        node no_outbound=True
        worker payout_swap
        wait 600
        blocks M
        until Paid
        node well
        wait 60
        worker withdraw
        worker withdraw
        worker withdraw_all
        until account.paid
        worker withdraw
        """,
        "Paid",
        "lnp2pBot #835: double withdrawal",
    ),
    Scenario(
        "the escrow evaporates while the daemon is away",
        CLAIMED
        + """
        daemon away
        wait 60
        blocks M
        blocks 80
        daemon back
        until refund.started
        """,
        "Refunded",
        "Mostro #862: the escrow evaporates at the CLTV while the trade looks live",
    ),
    Scenario(
        "the answer to a payment is lost with the process",
        PROVED
        + """
        node lose_answers=3 only=pay
        daemon dies 40
        employer approve
        until Verified
        daemon dies 12
        wait 900
        """,
        "Paid",
        "Mostro #881: duplicate payouts",
    ),
    Scenario(
        "a payout that is never resolved",
        ON_CHAIN
        + """
        blocks M
        until settlement.started
        daemon dies
        wait 3600
        payee takes
        """,
        "Paid",
        "Mostro #883: a payout that never resolved froze the daemon twice",
    ),
    Scenario(
        "a payee pins a payout to its end",
        IN_FLIGHT
        + """
        blocks L
        blocks M
        wait 1200
        """,
        "Paid or Expired",  # it failed on his side alone, or that was not known yet
        "Mostro #949 to #951: payees pin payout HTLCs",
    ),
    Scenario(
        "a cancel races a payment that has just landed",
        """
        employer fund
        until PendingFunding
        employer lock
        employer cancel
        """,
        "Refunded",
        "Mostro #910: cancel races a payment that just landed",
    ),
    Scenario(
        "a payment lands after the cancel",
        """
        employer fund
        until PendingFunding
        node loses cancel
        employer cancel
        until Refunded
        employer lock
        until funding.stray
        node well
        """,
        "Refunded",
        "lnp2pBot #552: a cancel left a paid hold locked",
    ),
    Scenario(
        "a restart with a stream that stays silent",
        """
        employer fund
        until PendingFunding
        node deaf=True
        daemon dies
        employer lock
        until Funded
        worker claim_named
        until Claimed
        worker submit
        until proof.submitted
        employer approve
        until Paid
        """,
        "Paid",
        "Mostro #853: a resubscription at a restart failed silently; lnp2pBot #765: a dead stream, settled but never paid",
    ),
    Scenario(
        "a failure of ours is not his",
        PROVED
        + """
        node no_outbound=True
        employer approve
        until Verified
        wait 93600
        until Verified
        blocks M
        until Paid
        never payout.failed
        node well
        wait 60
        worker withdraw_all
        until account.paid
        """,
        "Paid",
        "Mostro #879: a shared clock punished the wrong party",
    ),
    Scenario(
        "a payment lands while the daemon is away",
        """
        employer fund
        until PendingFunding
        daemon away
        wait 60
        employer lock
        wait 600
        node restarts
        daemon back
        until Funded
        """,
        "Expired",
        "lnp2pBot #132: held invoices were forgotten at a restart",
    ),
    Scenario(
        "settles and cancels are late and said twice",
        PROVED
        + """
        node lose_answers=4 only=settle
        employer approve
        until Verified
        node old_news=True
        daemon dies 30
        wait 1200
        node well
        """,
        "Paid",
        "RoboSats #2610: settle and cancel are asynchronous; #593: a second settle is an error",
    ),
    Scenario(
        "the node answers nothing for hours",
        PROVED
        + """
        node down=True
        employer approve
        wait 14400
        node well
        """,
        "Paid",
        "RoboSats #949: a node in deadlock halts every order",
    ),
    Scenario(
        "relays fall silent over a deadline",
        CLAIMED
        + """
        relays mute=True
        wait 21600
        worker submit
        relays mute=False
        until proof.submitted
        employer approve
        """,
        "Paid",
        "Mostro #874: one relay's CLOSED left the daemon deaf while timeouts kept firing",
    ),
    Scenario(
        "a forged copy comes first",
        """
        relays forged=1.0 twice=1.0
        """
        + APPROVED,
        "Paid",
        "Mostro #892: a forged copy with the same id censored the genuine event",
    ),
    Scenario(
        "contradictory words in one second",
        PROVED
        + """
        employer reject
        employer approve
        employer cancel
        worker dispute
        worker abandon
        wait 600
        """,
        "Paid",
        "Mostro #460, #692: stale rows reverted states and paid twice; #872, #899: two versions of one second",
        settings={"review_window": 3600},
    ),
)

HOSTILE = (  # what people try who want more than was agreed; the judge says that they get no msat of it
    Scenario(
        "one claim after another",
        FUNDED
        + """
        thief claim
        worker claim_named
        thief claim
        worker claim_named
        until Claimed
        thief submit
        thief approve
        worker approve
        thief payout
        wait 600
        """,
        "Expired",
        "double claims, and the words of somebody else",
    ),
    Scenario(
        "everything is said again",
        APPROVED
        + """
        until Paid
        thief replay
        worker replay
        employer replay
        worker payout_swap
        thief replay
        wait 600
        """,
        "Paid",
        "replays",
    ),
    Scenario(
        "a task is squatted on",
        CLAIMED
        + """
        thief claim
        wait 3600
        worker cancel 100
        """,
        "Expired",
        "claim squatting: the deadline ends it, and he bears a mark",
    ),
    Scenario(
        "new work outruns a signed reject",
        PROVED
        + """
        worker submit
        employer reject_signed
        worker submit
        wait 600
        employer reject_signed
        until Disputed
        """,
        "Refunded",
        "resubmission loops that outrun a signed reject: it meets the newest work",
    ),
    Scenario(
        "disputed again and again",
        FUNDED
        + UNNAMED
        + """
        worker dispute
        until Disputed
        employer approve
        until Verified
        wait 60
        worker dispute
        until Disputed
        worker dispute
        employer dispute
        employer approve
        until Verified
        wait 60
        worker dispute
        until Disputed
        """,
        "Refunded",
        "disputes opened again and again: the end of the hold ends them",
    ),
    Scenario(
        "silence for ransom",
        DISPUTED
        + """
        worker cancel 99
        wait 7200
        worker cancel 100
        """,
        "Refunded",
        "blackmail by silence: who does not answer gives nothing away",
    ),
    Scenario(
        "silence over delivered work",
        PROVED,
        "Paid",
        "blackmail by silence: of the employer, it is an approval",
    ),
    Scenario(
        "both against the house",
        IN_FLIGHT
        + """
        node dies back
        until hold.lost
        employer cancel 0
        worker cancel 0
        worker payout_swap
        worker dispute
        payee takes
        until Paid
        employer withdraw
        worker withdraw
        operator compensate 100000
        wait 600
        """,
        "Paid",
        "two sides colluding over a hold that is gone: each is paid once, and the loss is on record",
    ),
    Scenario(
        "dust and half a payment",
        """
        employer fund
        until PendingFunding
        employer lock_dust
        until funding.failed
        employer fund
        until PendingFunding
        employer lock_half
        wait 120
        employer lock
        until Funded
        employer cancel
        """,
        "Refunded",
        "parts below the dust limit, and amounts that were not asked for",
    ),
    Scenario(
        "a router who takes what he can get",
        PROVED
        + """
        node fee_ppm=50000
        employer approve
        until Verified
        wait 7200
        until Verified
        node fee_ppm=9000
        until Paid
        """,
        "Paid",
        "a fee drain through an own routing node: never above the budget in the hold",
    ),
)

WAYS = (
    Scenario("nobody locks the money", "", "Expired"),
    Scenario("nobody locks the money that was asked for", "wait 13800\nemployer fund\nuntil PendingFunding\nnode old_news=True\nuntil Expired\nnode well", "Expired"),
    Scenario("taken back before it is asked for", "employer cancel", "Refunded"),
    Scenario("taken back before it is locked", "employer fund\nuntil PendingFunding\nemployer cancel", "Refunded"),
    Scenario("an invoice runs out", "employer fund\nuntil PendingFunding\nuntil Draft\n" + APPROVED, "Paid"),
    Scenario("too much is paid", "employer fund\nuntil PendingFunding\nemployer lock_much\nuntil funding.failed\n" + APPROVED, "Paid"),
    Scenario("taken back", FUNDED + "employer cancel", "Refunded"),
    Scenario("nobody claims it in time", FUNDED, "Expired", settings={"hold_timeout": 3600}),
    Scenario("nobody claims it before its deadline", FUNDED, "Expired"),
    Scenario("a hold of Funded is lost", FUNDED + "node dies back", "Expired"),
    Scenario("a hold of Claimed is lost", CLAIMED + "node dies back", "Expired"),
    Scenario("a hold of Disputed is lost", DISPUTED + "node dies back", "Expired"),
    Scenario("a hold is lost before the payout", FUNDED + UNNAMED + "node dies back", "Expired"),
    Scenario("a hold is lost under a payout that arrives", "another life\n" + IN_FLIGHT + "node dies back\nuntil hold.lost\npayee takes\nuntil Paid\noperator compensate 100\nuntil compensation\nwait 60\nemployer withdraw_all\nuntil account.paid", "Paid"),
    Scenario("a hold is lost under a payout that fails", IN_FLIGHT + "node dies back\nuntil hold.lost\npayee refuses", "Expired"),
    Scenario("a hold is lost after the payout", PROVED + "node loses settle\nemployer approve\nuntil Verified/settling\nnode dies back\nuntil hold.lost\nuntil Paid\nnode well", "Paid"),
    Scenario("a hold is lost at its margin under a payout that arrives", ON_CHAIN + "node loses settle\nblocks M\nuntil Verified/settling\nnode dies back\nuntil hold.lost\npayee takes\nnode well", "Paid"),
    Scenario("a hold is lost at its margin under a payout that fails", ON_CHAIN + "node loses settle\nblocks M\nuntil Verified/settling\nnode dies back\nuntil hold.lost\npayee refuses\nnode well", "Expired"),
    Scenario("a channel closes under a hold", PROVED + "node dies off_channel\nwait 120\nemployer cancel\nworker cancel 0", "Refunded"),
    Scenario("given back in time", CLAIMED + "worker abandon\nuntil Funded\nworker claim_named\nuntil Claimed\nworker submit\nuntil proof.submitted\nemployer approve", "Paid", settings={"hold_cltv": 760}),
    Scenario("given back too late", CLAIMED + "worker abandon", "Expired"),
    Scenario("silence approves", PROVED, "Paid"),
    Scenario("silence disputes", PROVED + "until Disputed\nemployer approve", "Paid", terms={"on_silence": "dispute"}),
    Scenario("an employer who cannot be reached gets more time", CLAIMED + "letters lost\nworker submit\nuntil review.prolonged\nletters back", "Paid", settings=LONG),
    Scenario("refused, and another try", PROVED + "employer reject\nuntil proof.rejected\nworker submit\nuntil proof.submitted\nwait 60\nemployer approve", "Paid", terms={"on_reject": "revise"}),
    Scenario("refused, and no other try", PROVED + "employer reject\nuntil proof.rejected", "Refunded", terms={"on_reject": "revise"}, settings={"hold_cltv": 900}),
    Scenario("refused, and disputed to the end of the hold", PROVED + "employer reject\nuntil Disputed\nblocks L", "Refunded"),
    Scenario("no work before the hold ends", CLAIMED + "blocks L", "Refunded"),
    Scenario("no work before the deadline", CLAIMED, "Expired"),
    Scenario("disputed without need, and approved", CLAIMED + "employer dispute\nuntil Disputed\nemployer approve", "Paid"),
    Scenario("the worker disputes an approval that says too little", FUNDED + UNNAMED + "worker dispute\nuntil Disputed\nemployer approve\nuntil Verified\nwait 120\nworker payout", "Paid"),
    Scenario("both end it", CLAIMED + "worker cancel 0\nuntil cancel.offered\nemployer cancel 0", "Refunded"),
    Scenario("both part it", CLAIMED + "worker cancel 33\nuntil cancel.offered\nemployer cancel 33\nuntil Verified\nwait 120\nworker payout\nuntil Paid\nwait 60\nemployer withdraw_all\nuntil account.paid", "Paid"),
    Scenario("both end a dispute", DISPUTED + "worker cancel 0\nuntil cancel.offered\nemployer cancel 0", "Refunded"),
    Scenario("both part it in a dispute", DISPUTED + "worker cancel 50\nuntil cancel.offered\nemployer cancel 50\nuntil Verified\nwait 120\nworker payout", "Paid"),
    Scenario("a fresh hold in a dispute", DISPUTED + "blocks R\nuntil rollover.asked\nemployer lock\nuntil rollover.completed\nwait 900\nemployer approve", "Paid", terms=ROLLS, settings=LONG),
    Scenario("a fresh hold in a dispute is not paid", DISPUTED + "blocks R\nuntil rollover.asked\nblocks late 150\nuntil invoice.expired", "Refunded", terms=ROLLS, settings=LONG),
    Scenario("a fresh hold in a dispute is wrongly paid", DISPUTED + "blocks R\nuntil rollover.asked\nemployer lock_much\nuntil funding.failed", "Refunded", terms=ROLLS, settings=LONG),
    Scenario("a fresh hold under work", CLAIMED + "blocks R\nuntil rollover.asked\nemployer lock\nuntil rollover.completed\nworker submit\nuntil proof.submitted\nemployer approve", "Paid", terms=ROLLS, settings=LONG),
    Scenario("a fresh hold under work is not paid", PROVED + "blocks R\nuntil rollover.asked\nblocks late 150\nuntil invoice.expired", "Paid", terms=ROLLS | {"review_window": 108000}, settings=LONG, deadline=7200),
    Scenario("a fresh hold under work is wrongly paid", CLAIMED + "blocks R\nuntil rollover.asked\nemployer lock_much\nuntil funding.failed\nworker submit\nuntil proof.submitted\nemployer approve", "Paid", terms=ROLLS, settings=LONG),
    Scenario("not paid at the margin", FUNDED + UNNAMED + "node no_outbound=True\nworker payout_swap\nwait 600\nblocks M\nuntil Paid\nnode well", "Paid"),
    Scenario("a destination comes late, and the hold has room for a short route", FUNDED + UNNAMED + "blocks M-150\nworker payout_swap\nuntil Paid", "Paid"),
    Scenario("a worker who cannot be reached", FUNDED + UNNAMED + "until payout.failed", "Expired", settings=LONG),
    Scenario("in flight at the margin, and refused", ON_CHAIN + "blocks M\nuntil Verified/settling\npayee refuses\nuntil Paid\nwait 60\nworker withdraw_all\nuntil account.paid", "Paid"),
    Scenario("settled behind our back", CLAIMED + "node loses cancel\nworker cancel 0\nuntil cancel.offered\nemployer cancel 0\nuntil Claimed/refunding\nnode dies settles\nnode well\nuntil Refunded\nwait 60\nemployer withdraw_all\nuntil account.paid", "Refunded"),
    Scenario("made good for a hold that was lost", "another life\n" + FUNDED + UNNAMED + "node dies back\nuntil Expired\noperator compensate 100\nuntil compensation\nwait 60\nworker withdraw_all\nuntil account.paid", "Expired"),
    Scenario("the house is closed", "operator pause\nwait 300\nemployer fund\nwait 600\nnever invoice.created\noperator resume\nwait 300\n" + APPROVED, "Paid"),
    Scenario("who is banned takes nothing new", FUNDED + "operator ban worker\nwait 300\nworker claim_named\nwait 600\nnever task.claimed\noperator unban worker\nwait 300\nworker claim_named\nuntil Claimed\noperator ban worker\nwait 300\nworker submit\nuntil proof.submitted\nemployer approve", "Paid"),
    Scenario("new terms are for new tasks", FUNDED + "operator terms ppm=50000 base_sat=3\nwait 300\nworker claim_named\nuntil Claimed\nworker submit\nuntil proof.submitted\nemployer approve", "Paid"),
)  # fmt: skip

BOOKED = (
    Scenario("kept in the books, and paid", CLAIMED + "until ledger.locked\nworker submit\nuntil proof.submitted\nemployer approve", "Paid", terms=BOOKS),
    Scenario("kept in the books, and given back after the deadline", CLAIMED + "until ledger.locked\nuntil Expired\nwait 60\nemployer withdraw_all\nuntil account.paid", "Expired", terms=BOOKS),
    Scenario("kept in the books, and parted", CLAIMED + "until ledger.locked\nworker cancel 33\nuntil cancel.offered\nemployer cancel 33\nuntil Verified\nwait 120\nworker payout\nuntil Paid\nwait 60\nemployer withdraw_all\nuntil account.paid", "Paid", terms=BOOKS),
    Scenario("kept in the books for another worker", CLAIMED + "until ledger.locked\nworker abandon\nuntil Funded\nworker claim_named\nuntil Claimed\nworker submit\nuntil proof.submitted\nemployer approve", "Paid", terms=BOOKS),
    Scenario("kept in the books, and nobody else comes", CLAIMED + "until ledger.locked\nworker abandon\nuntil Funded", "Expired", terms=BOOKS),
    Scenario("kept in the books, and disputed for ever", CLAIMED + "until ledger.locked\nworker dispute\nuntil Disputed", "Refunded", terms=BOOKS, settings={"dispute_days": 1}),
    Scenario("kept in the books for a worker who cannot be reached", FUNDED + UNNAMED + "until Paid\nwait 60\nworker withdraw_all\nuntil account.paid", "Paid", terms=BOOKS),
    Scenario("on its way into the books, and disputed", SLOWLY + "worker dispute\nuntil Disputed\nnode well\nuntil ledger.locked\nemployer approve\nuntil Verified\nwait 120\nworker payout", "Paid", terms=BOOKS),
    Scenario("on its way into the books, and approved", SLOWLY + "worker submit\nuntil proof.submitted\nemployer approve\nuntil Verified\nnode well\nuntil ledger.locked\nwait 120\nworker payout", "Paid", terms=BOOKS),
    Scenario("on its way into the books, and given back", SLOWLY + "worker abandon\nuntil Funded\nnode well\nuntil ledger.locked", "Expired", terms=BOOKS),
    Scenario("on its way into the books, given back and taken back", SLOWLY + "worker abandon\nuntil Funded\nemployer cancel\nuntil Funded/refunding\nnode well\nuntil ledger.locked", "Refunded", terms=BOOKS),
    Scenario("on its way into the books, and both end it", SLOWLY + "worker cancel 0\nuntil cancel.offered\nemployer cancel 0\nuntil Claimed/refunding\nnode well\nuntil ledger.locked", "Refunded", terms=BOOKS),
    Scenario("on its way into the books, and both end the dispute", SLOWLY + "worker dispute\nuntil Disputed\nworker cancel 0\nuntil cancel.offered\nemployer cancel 0\nuntil Disputed/refunding\nnode well\nuntil ledger.locked", "Refunded", terms=BOOKS),
    Scenario("lost on its way into the books", SLOWLY + "node dies back\nuntil hold.lost\nnode well", "Expired", terms=BOOKS),
    Scenario("settled by the node before it was asked to", SLOWLY + "node dies settles\nnode well\nuntil ledger.locked", "Expired", terms=BOOKS),
    Scenario("into the books at the end of the hold", CLAIMED + "blocks L\nuntil ledger.locked\nworker submit\nuntil proof.submitted\nemployer approve", "Paid", terms=AT_END),
    Scenario("into the books at the end of the hold, in a dispute", DISPUTED + "blocks L\nuntil ledger.locked\nemployer approve", "Paid", terms=AT_END),
    Scenario("into the books, since no fresh hold came", DISPUTED + "blocks R\nuntil rollover.asked\nblocks L\nuntil ledger.locked\nemployer approve", "Paid", terms={"on_hold_end": "rollover then ledger"}, settings=LONG),
)  # fmt: skip

HIRES: dict[str, Any] = {"order": "hire_first"}
PICKS: dict[str, Any] = {"claim": "pick"}
WANTED = "worker claim_later\nuntil claim.offered\n"
TAKEN = "worker claim_later\nuntil task.accepted\n"
WORKED = (
    "until Claimed\nworker submit\nuntil proof.submitted\nemployer approve\nuntil Verified\nwait 120\nworker payout\n"
)
HIRED = (
    Scenario("taken before the money", TAKEN + "employer fund\nuntil PendingFunding\nemployer lock\n" + WORKED, "Paid", terms=HIRES),
    Scenario("taken and given back before the money", TAKEN + "worker abandon\nuntil task.abandoned\n" + TAKEN + "employer fund\nuntil PendingFunding\nworker abandon\nuntil task.abandoned", "Expired", terms=HIRES),
    Scenario("picked before the money", WANTED + "thief claim_later\nuntil claim.offered\nemployer hire\nuntil task.accepted\nemployer fund\nuntil PendingFunding\nthief abandon\nworker abandon\nwait 600", "Expired", terms=HIRES | PICKS),
    Scenario("picked when the money is held", FUNDED + WANTED + "employer hire\n" + WORKED, "Paid", terms=PICKS),
    Scenario("offers are taken back", WANTED + "worker abandon\nuntil task.abandoned\nwait 60\nemployer hire\nwait 600\nnever task.accepted", "Expired", terms=HIRES | PICKS),
    Scenario("offers are taken back when the money is held", FUNDED + WANTED + "worker abandon\nuntil task.abandoned\nwait 60\nemployer hire\nwait 600\nnever task.claimed", "Expired", terms=PICKS),
    Scenario("an offer is taken back when another is at work", FUNDED + WANTED + "thief claim_later\nuntil claim.offered\nemployer hire_worker\nuntil Claimed\nthief abandon\nuntil task.abandoned\nwait 600", "Expired", terms=PICKS),
    Scenario("an offer of somebody who was not picked", FUNDED + WANTED + "employer hire\nuntil Claimed\nthief claim_later\nwait 300", "Expired", terms=PICKS),
    Scenario("taken before the money, which goes into the books", TAKEN + "employer fund\nuntil PendingFunding\nemployer lock\nuntil Claimed\nuntil ledger.locked\nworker submit\nuntil proof.submitted\nemployer approve\nuntil Verified\nwait 120\nworker payout", "Paid", terms=HIRES | BOOKS),
    Scenario("picked again for money in the books", FUNDED + WANTED + "employer hire\nuntil ledger.locked\nworker abandon\nuntil Funded\n" + WANTED + "employer hire\n" + WORKED, "Paid", terms=PICKS | BOOKS),
)  # fmt: skip

PLANNED = TAKEN + "worker propose\nuntil plan.proposed\nemployer agree_plan\nuntil plan.agreed\n"
_MONEY = "employer fund\nuntil PendingFunding\nemployer lock\nuntil Claimed\n"
_DONE = """
    worker submit
    until proof.submitted
    wait 900
    employer approve
    wait 300
    employer approve
    until proof.verified
    wait 120
    worker payout
    until settlement.completed
"""
PROJECTS = (
    Scenario("a project of two milestones", PLANNED + _MONEY + _DONE + _MONEY + _DONE, "Paid", terms=HIRES, deadline=8 * 3600),
    Scenario("a project in rupees", PLANNED + _MONEY + _DONE + "wait 900\n" + _MONEY + _DONE, "Paid", terms=HIRES, deadline=8 * 3600, rupees="1680.51"),
    Scenario("a project in the books", PLANNED + _MONEY + "until ledger.locked\n" + _DONE + _MONEY + "until ledger.locked\n" + _DONE, "Paid", terms=HIRES | BOOKS, deadline=8 * 3600),
    Scenario("a project is given up between two milestones", PLANNED + _MONEY + _DONE + "employer cancel", "Refunded", terms=HIRES, deadline=8 * 3600),
    Scenario("a project is refunded in its second milestone", PLANNED + _MONEY + _DONE + _MONEY + "worker cancel 0\nuntil cancel.offered\nemployer cancel 0", "Refunded", terms=HIRES, deadline=8 * 3600),
    Scenario("a project whose second milestone is never funded", PLANNED + _MONEY + _DONE, "Expired", terms=HIRES, deadline=8 * 3600),
    Scenario("a project ends in a split", PLANNED + _MONEY + "worker cancel 40\nuntil cancel.offered\nemployer cancel 40\nuntil Verified\nwait 120\nworker payout", "Paid", terms=HIRES, deadline=8 * 3600),
)  # fmt: skip
LATER = HIRES | {"funding": "on_approval"}
BEGUN = TAKEN + "employer select\nuntil Claimed\n"
DELIVERED = BEGUN + "worker submit\nuntil proof.submitted\n"
OWING = DELIVERED + "employer approve\nuntil Claimed/awaiting_payment\n"
AT_ODDS = DELIVERED + "worker dispute\nuntil Disputed\n"
_PAYS = "until invoice.created\nemployer lock\nuntil Verified\nwait 120\nworker payout\nuntil settlement.completed\n"
_PART = (
    "worker submit\nuntil proof.submitted\nwait 900\nemployer approve\nwait 300\nemployer approve\nuntil proof.verified\n"
    + _PAYS
)
ON_APPROVAL = (
    Scenario("paid for when it is approved", OWING + _PAYS, "Paid", terms=LATER),
    Scenario("approved, and never paid for", OWING + "until invoice.expired\nwait 100000\nuntil payment.missed", "Expired", terms=LATER),
    Scenario("approved, and paid for at the second invoice", OWING + "until invoice.expired\nemployer fund\n" + _PAYS, "Paid", terms=LATER),
    Scenario("approved, and wrongly paid for", OWING + "until invoice.created\nemployer lock_much\nuntil funding.failed\nemployer fund\n" + _PAYS, "Paid", terms=LATER),
    Scenario("approved in rupees, and paid for", OWING + _PAYS, "Paid", terms=LATER, rupees="1680.50"),
    Scenario("approved by silence, and paid for", DELIVERED + "until Claimed/awaiting_payment\nemployer fund\n" + _PAYS, "Paid", terms=LATER),
    Scenario("parted, and the part is paid for", BEGUN + "worker cancel 40\nuntil cancel.offered\nemployer cancel 40\n" + _PAYS + "wait 60\nemployer withdraw_all\nuntil account.paid", "Paid", terms=LATER),
    Scenario("parted in a dispute, and the part is paid for", AT_ODDS + "worker cancel 50\nuntil cancel.offered\nemployer cancel 50\n" + _PAYS, "Paid", terms=LATER),
    Scenario("approved in a dispute, and paid for", AT_ODDS + "employer approve\n" + _PAYS, "Paid", terms=LATER),
    Scenario("disputed about no money for ever", AT_ODDS, "Refunded", terms=LATER, settings={"dispute_days": 1}),
    Scenario("both end a dispute about no money", AT_ODDS + "worker cancel 0\nuntil cancel.offered\nemployer cancel 0", "Refunded", terms=LATER),
    Scenario("both end it, and nothing was held", BEGUN + "worker cancel 0\nuntil cancel.offered\nemployer cancel 0", "Refunded", terms=LATER),
    Scenario("no work, and nothing was held", BEGUN, "Expired", terms=LATER),
    Scenario("refused, no other try, and nothing was held", DELIVERED + "employer reject\nuntil proof.rejected", "Refunded", terms=LATER | {"on_reject": "revise"}),
    Scenario("given back, and nothing was held", BEGUN + "worker abandon\nuntil Draft", "Expired", terms=LATER),
    Scenario("nothing is held, and somebody wants it otherwise", OWING + "until invoice.created\nworker abandon\nemployer cancel\nworker cancel 100\nthief fund\nthief approve\nemployer reject\nwait 300\nemployer lock\nuntil Verified\nwait 120\nworker payout", "Paid", terms=LATER),
    Scenario("a project that is paid for on approval", TAKEN + "worker propose\nuntil plan.proposed\nemployer agree_plan\nuntil plan.agreed\n" + _PART + _PART, "Paid", terms=LATER, deadline=8 * 3600),
    Scenario("a project whose plan says on approval", TAKEN + "worker propose_later\nuntil plan.proposed\nemployer agree_plan\nuntil plan.agreed\n" + _PART + "worker abandon\nuntil Draft", "Expired", terms=HIRES, deadline=8 * 3600),
    Scenario("a project in rupees that is paid for on approval", TAKEN + "worker propose\nuntil plan.proposed\nemployer agree_plan\nuntil plan.agreed\n" + _PART + "wait 900\n" + _PART, "Paid", terms=LATER, deadline=8 * 3600, rupees="1680.51"),
    Scenario("a hold is lost behind an approval that was paid for", OWING + "until invoice.created\nemployer lock\nuntil Verified\nnode dies back\nuntil hold.lost", "Expired", terms=LATER),
)  # fmt: skip
PRICED = (
    Scenario("priced in rupees, and paid", APPROVED, "Paid", rupees="1680.50"),
    Scenario("priced in rupees, and parted", CLAIMED + "worker cancel 33\nuntil cancel.offered\nemployer cancel 33\nuntil Verified\nwait 120\nworker payout\nuntil Paid", "Paid", rupees="1680.50"),
    Scenario("priced in rupees, and asked for until the rate is better", "employer fund\nuntil PendingFunding\nuntil invoice.expired\n" * 3 + "employer fund\nwait 600\nnever invoice.accepted", "Expired", rupees="1680.50"),
    Scenario("priced in rupees, and paid at the second invoice", "employer fund\nuntil PendingFunding\nuntil invoice.expired\nwait 1200\n" + APPROVED, "Paid", rupees="0080.08"),
    Scenario("priced in rupees, and taken before the money", TAKEN + "wait 900\nemployer fund\nuntil PendingFunding\nemployer lock\n" + WORKED, "Paid", terms=HIRES, rupees="1680.50"),
    Scenario("priced in rupees, and an invoice of the wrong moment", "worker claim_named\nuntil task.accepted\nwait 900\nemployer fund\nuntil PendingFunding\nemployer lock\n" + WORKED, "Paid", terms=HIRES, rupees="1680.50"),
    Scenario("priced in rupees, and kept in the books", CLAIMED + "until ledger.locked\nworker submit\nuntil proof.submitted\nemployer approve", "Paid", terms=BOOKS, rupees="1680.50"),
    Scenario("priced in rupees, and renewed", DISPUTED + "blocks R\nuntil rollover.asked\nemployer lock\nuntil rollover.completed\nemployer approve", "Paid", terms=ROLLS, settings=LONG, rupees="1680.50"),
    Scenario("priced in rupees, and lost", CLAIMED + "node dies back\nuntil hold.lost", "Expired", rupees="1680.50"),
)  # fmt: skip

# Wherever a task can stand: an invoice that was given up is paid, and the operator freezes it and lets it go on.
_GIVEN_UP = """
    node loses make_hold
    employer fund
    wait 60
    operator freeze
    until task.frozen
    node loses cancel
    wait 900
    operator unfreeze
    until task.unfrozen
"""  # the invoice was being made while the task was frozen
_TOUCHED = """
    operator freeze
    until task.frozen
    unwanted paid
    until funding.stray
    operator unfreeze
    until task.unfrozen
    node well
"""
_OVER = "unwanted paid\nuntil funding.stray\nnode well\n"
_PLACES: dict[str, tuple[str, str]] = {  # the way there, and the end
    "Draft": ("", "Expired"),
    "PendingFunding": ("employer fund\nuntil PendingFunding\n", "Expired"),
    "Funded": (FUNDED, "Expired"),
    "Funded/refunding": (FUNDED + "employer cancel\nuntil Funded/refunding\n", "Refunded"),
    "Claimed": (CLAIMED, "Expired"),
    "Claimed/refunding": (CLAIMED + "worker cancel 0\nuntil cancel.offered\nemployer cancel 0\nuntil Claimed/refunding\n", "Refunded"),
    "Disputed": (DISPUTED, "Refunded"),
    "Disputed/refunding": (DISPUTED + "worker cancel 0\nuntil cancel.offered\nemployer cancel 0\nuntil Disputed/refunding\n", "Refunded"),
    "Verified": (FUNDED + UNNAMED, "Expired"),
    "Verified/settling": (PROVED + "node lose_requests=1000000 only=cancel,settle\nemployer approve\nuntil Verified/settling\n", "Paid"),
    "Verified/refunding": (FUNDED + UNNAMED + "blocks M\nuntil Verified/refunding\n", "Expired"),
}  # fmt: skip
_ENDS: dict[str, str] = {
    "Paid": APPROVED + "until Paid\n",
    "Refunded": "employer cancel\nuntil Refunded\n",
    "Expired": FUNDED + "node dies back\nuntil Expired\n",
}
PLACES = (
    *(
        Scenario(f"touched in {place}", _GIVEN_UP + way + _TOUCHED, end, settings={"invoice_expiry": 14400})
        for place, (way, end) in _PLACES.items()
    ),
    *(
        Scenario(f"touched when it is {end}", _GIVEN_UP + way + _OVER, end, settings={"invoice_expiry": 14400})
        for end, way in _ENDS.items()
    ),
)

_AWAITING = """
    node loses make_hold
    employer approve
    until Claimed/awaiting_payment
    operator freeze
    until task.frozen
    node loses cancel
    wait 900
    operator unfreeze
    until task.unfrozen
"""
TOUCHED_LATER = Scenario(
    "touched in Claimed/awaiting_payment", DELIVERED + _AWAITING + _TOUCHED + "employer fund\n" + _PAYS, "Paid", terms=LATER,
    settings={"invoice_expiry": 14400},
)  # fmt: skip

_HOURS: dict[str, Any] = {"payment_type": "HOURLY_RATE", "rate": 700, "cap": 30}
_NAMED = "worker hours\nwait 60\nworker submit\nuntil proof.submitted\n"
_WORKED = FUNDED + "worker claim_later\nuntil Claimed\n" + _NAMED
HOURLY = (
    Scenario(
        "paid by the hour",
        _WORKED
        + """
        employer approve
        until Verified
        wait 120
        worker payout
        until Paid
        """,
        "Paid",
        terms=_HOURS,
    ),
    Scenario(
        "other hours after a rejection, and a part of them",
        _WORKED
        + """
        employer reject_signed
        until proof.rejected
        worker hours
        wait 60
        worker submit
        until proof.submitted
        employer cancel 50
        until cancel.offered
        worker cancel 50
        until Verified
        wait 120
        worker payout
        until Paid
        """,
        "Paid",
        terms=_HOURS | {"rate": "56.00", "on_reject": "revise"},
        rupees="1680.00",
    ),
    Scenario("by the hour, and paid for when it is approved", BEGUN + _NAMED + "employer approve\n" + _PAYS, "Paid", terms=_HOURS | LATER),
    Scenario(
        "by the hour in rupees, and approved by silence, and paid for at the second invoice",
        BEGUN + _NAMED + "until Claimed/awaiting_payment\nemployer fund\nuntil invoice.expired\nemployer fund\n" + _PAYS, "Paid",
        terms=_HOURS | LATER | {"rate": "56.00"}, rupees="1680.00",
    ),
    Scenario(
        "by the hour, on which both agree after hiring",
        TAKEN + "employer propose_whole\nuntil plan.proposed\nworker agree_plan\nuntil plan.agreed\nemployer select\nuntil PendingFunding\nemployer lock\nuntil Claimed\n"
        + _NAMED + "employer approve\nuntil Verified\nwait 120\nworker payout\nuntil Paid\nemployer withdraw_all\nuntil account.paid", "Paid", terms=HIRES,
    ),
    Scenario(
        "by the hour, agreed on after hiring, and paid for when it is approved",
        TAKEN + "worker propose_whole\nuntil plan.proposed\nemployer agree_plan\nuntil plan.agreed\nemployer select\nuntil Claimed\n"
        + _NAMED + "employer approve\n" + _PAYS, "Paid", terms=LATER,
    ),
    Scenario("by the hour, and never paid for", BEGUN + _NAMED + "employer approve\nuntil invoice.expired\nwait 100000\nuntil payment.missed", "Expired", terms=_HOURS | LATER),
)  # fmt: skip

# Money ahead
DEPOSITED = BEGUN + "employer accept_deposit\nuntil invoice.created\nemployer lock_ahead\nuntil invoice.accepted\n"
_FOUR = TAKEN + "worker propose_four\nuntil plan.proposed\nemployer agree_plan\nuntil plan.agreed\n"
_AHEAD = (
    "employer accept_deposit\nuntil invoice.created\nuntil invoice.created\nwait 60\nemployer lock_ahead\n"
    "until invoice.accepted\nuntil invoice.accepted\n"
)
_FOUR_AHEAD = _FOUR + _AHEAD
_APPROVED = "worker submit\nuntil proof.submitted\nwait 120\nemployer approve\nuntil proof.verified\n"
_COVERED = _APPROVED + "wait 120\nworker payout\nuntil settlement.completed\n"
_REST = "employer lock\nuntil invoice.accepted\nuntil Verified\nwait 120\nworker payout\nuntil settlement.completed\n"
_DUE = _APPROVED + "until invoice.created\n" + _REST
_LOCKS = "employer fund\nuntil PendingFunding\nemployer lock\nuntil Claimed\n"
_PAID = _LOCKS + _COVERED
_OWES = DEPOSITED + "worker submit\nuntil proof.submitted\nemployer approve\nuntil Claimed/awaiting_payment\n"
_BOTH = _OWES + "until invoice.created\nemployer lock\nuntil Verified\n"  # rests on two holds
_STUCK = _BOTH + "node payout_stuck=True\nwait 120\nworker payout\nwait 120\nnode well\n"
UPFRONT = HIRES
_BY_FOUR: dict[str, Any] = {"deadline": 24 * 3600}
_SOONER: dict[str, Any] = {"deadline": 9 * 3600}  # where the hold comes first, and lasts through the work
_MISSES = "until invoice.expired\nwait 100000\nuntil payment.missed\n"
_GIVEN_UP = "worker cancel 0\nuntil cancel.offered\nemployer cancel 0\nuntil deposit.returned\nuntil Refunded\n"
_TAKES_OUT = "wait 60\nemployer withdraw_all\nuntil account.paid"
_IN_BOOKS = "blocks CL\nuntil ledger.locked\n"
_TWO_IN_BOOKS = _FOUR_AHEAD + _IN_BOOKS + "until ledger.locked\n"
_HELD_TOO = _TWO_IN_BOOKS + _PAID * 2 + _LOCKS  # rests on what is in the books and on a hold
DEPOSITS = (
    Scenario("a deposit, and the rest when it is approved", _BOTH + "wait 120\nworker payout", "Paid", terms=LATER),
    Scenario("a deposit, in rupees", _BOTH + "wait 120\nworker payout", "Paid", terms=LATER, rupees="1680.50"),
    Scenario("a deposit of four milestones", _FOUR_AHEAD + _DUE * 3 + _COVERED + "never deposit.returned", "Paid", terms=LATER, **_BY_FOUR),
    Scenario("a deposit of four milestones in rupees", _FOUR_AHEAD + _DUE * 3 + _COVERED, "Paid", terms=LATER, rupees="1680.50", **_BY_FOUR),
    Scenario("a deposit of four milestones up front", _FOUR + _LOCKS + _AHEAD + _COVERED + _PAID * 2 + _COVERED + "never deposit.returned", "Paid", terms=UPFRONT, **_SOONER),
    Scenario("a deposit of four milestones up front in rupees", _FOUR + _LOCKS + _AHEAD + _COVERED + "wait 900\n" + _PAID + "wait 900\n" + _PAID + _COVERED, "Paid", terms=UPFRONT, rupees="1680.50", **_SOONER),
    Scenario("a deposit before the first money, up front", _FOUR_AHEAD + _PAID * 3 + _COVERED, "Paid", terms=UPFRONT | ROLLS, **_SOONER),
    Scenario("a whole deposit, in the terms", BEGUN + "employer accept_deposit\nuntil invoice.created\nemployer lock_ahead\nuntil invoice.accepted\n" + _COVERED, "Paid", terms=LATER | {"deposit_percent": 100}),
    Scenario("a whole deposit in the terms, in rupees", BEGUN + "employer accept_deposit\nuntil invoice.created\nemployer lock_ahead\nuntil invoice.accepted\n" + _COVERED, "Paid", terms=LATER | {"deposit_percent": 100}, rupees="1680.50"),
    Scenario("a deposit that is asked for, put off and declined", BEGUN + "until deposit.offered\nemployer later_deposit\nwait 300\nnever deposit.declined\nemployer decline_deposit\nuntil deposit.declined\nemployer accept_deposit\nuntil deposit.accepted\nuntil invoice.created\nemployer decline_deposit\nworker submit\nuntil proof.submitted\nemployer approve\nuntil Claimed/awaiting_payment\nuntil invoice.created\nemployer lock\nuntil Verified\nwait 120\nworker payout", "Paid", terms=LATER, settings={"deposit_above_sat": 1}),
    Scenario("a deposit that is never paid, asked for again, and paid", BEGUN + "employer accept_deposit\nuntil invoice.created\nuntil invoice.expired\nemployer accept_deposit\nuntil invoice.created\nemployer lock_ahead\nuntil invoice.accepted\n" + _DUE, "Paid", terms=LATER, settings={"invoice_expiry": 1800}),
    Scenario("a deposit that is wrongly paid", BEGUN + "employer accept_deposit\nuntil invoice.created\nemployer lock_ahead_wrong\nuntil funding.failed\nemployer accept_deposit\nuntil invoice.created\nwait 60\nemployer lock_ahead\nuntil invoice.accepted\n" + _DUE, "Paid", terms=LATER),
    Scenario("somebody else wants a deposit", BEGUN + "worker accept_deposit\nthief accept_deposit\nwait 300\nnever deposit.accepted\nthief decline_deposit\nwait 300\nnever deposit.declined", "Expired", terms=LATER),
    Scenario("missed, and a deposit bears a part", _OWES + _MISSES + "wait 120\nworker payout\nuntil settlement.completed", "Expired", settings=LONG, terms=LATER),
    Scenario("missed in rupees, and a deposit bears a part", _OWES + _MISSES + "wait 120\nworker payout\nuntil settlement.completed", "Expired", settings=LONG, terms=LATER, rupees="1680.50"),
    Scenario("missed, and nobody takes what the deposit bears", _OWES + _MISSES + "until payout.failed", "Expired", terms=LATER, settings=LONG),
    Scenario("missed, and the deposit is settled at its margin", _OWES + _MISSES + "node no_outbound=True\nwait 60\nworker payout\nwait 600\nblocks M\nuntil settlement.completed\nnode well\nwait 60\nworker withdraw_all\nuntil account.paid", "Expired", terms=LATER, settings=LONG),
    Scenario("missed in the third of four milestones", _FOUR_AHEAD + _DUE * 2 + _APPROVED + _MISSES + "wait 120\nworker payout\nuntil settlement.completed", "Expired", terms=LATER, settings=LONG, **_BY_FOUR),
    Scenario("missed in the first of four milestones", _FOUR_AHEAD + _APPROVED + _MISSES, "Expired", terms=LATER, settings=LONG, **_BY_FOUR),
    Scenario("missed, and the deposit is lost under its payout", _OWES + _MISSES + "node payout_stuck=True\nwait 120\nworker payout\nwait 120\nnode well\nnode dies back cover\nuntil hold.lost\npayee takes", "Paid", terms=LATER, settings=LONG),
    Scenario("missed, and the worker disputes what the deposit bears", _OWES + _MISSES + "worker dispute\nwait 600\nnever dispute.opened\nworker payout\nuntil settlement.completed", "Expired", terms=LATER, settings=LONG),
    Scenario("missed, and it is too late to end it", _OWES + _MISSES + "worker cancel 0\nemployer cancel 0\nwait 600\nworker payout\nuntil settlement.completed", "Expired", terms=LATER, settings=LONG),
    Scenario("missed, and the deposit is lost before its payout", _OWES + _MISSES + "node dies back cover\nuntil hold.lost", "Expired", terms=LATER, settings=LONG),
    Scenario("missed, and the deposit is lost under a payout that fails", _OWES + _MISSES + "node payout_stuck=True\nwait 120\nworker payout\nwait 120\nnode well\nnode dies back cover\nuntil hold.lost\npayee refuses", "Expired", terms=LATER, settings=LONG),
    Scenario("missed after a dispute, and a deposit bears a part", DEPOSITED + "worker submit\nuntil proof.submitted\nworker dispute\nuntil Disputed\nemployer approve\n" + _MISSES + "wait 120\nworker payout\nuntil settlement.completed", "Expired", terms=LATER, settings=LONG),
    Scenario("a part of it missed, which a deposit bears in part", DEPOSITED + "worker cancel 60\nuntil cancel.offered\nemployer cancel 60\n" + _MISSES + "wait 120\nworker payout\nuntil settlement.completed", "Expired", terms=LATER, settings=LONG),
    Scenario("a deposit comes to its end while work is under way", DEPOSITED + "blocks CL\nuntil deposit.returned\nworker submit\nuntil proof.submitted\nemployer approve\n" + _PAYS, "Paid", terms=LATER),
    Scenario("a deposit comes to its end while payment is waited for", _OWES + "until invoice.created\nblocks CL\nuntil deposit.returned\nemployer lock\nuntil funding.failed\nemployer fund\n" + _PAYS, "Paid", terms=LATER),
    Scenario("a deposit of a later milestone comes to its end", _FOUR_AHEAD + "blocks CL\nuntil deposit.returned\nuntil deposit.returned\n" + _DUE * 4, "Paid", terms=LATER, **_BY_FOUR),
    Scenario("a deposit is renewed", DEPOSITED + "blocks CR\nuntil rollover.asked\nwait 60\nemployer lock_renewals\nuntil rollover.completed\n" + _DUE, "Paid", terms=LATER | ROLLS, settings=LONG),
    Scenario("a deposit of later milestones is renewed", _FOUR_AHEAD + "blocks CR\nuntil rollover.asked\nuntil rollover.asked\nwait 60\nemployer lock_renewals\nuntil rollover.completed\nuntil rollover.completed\n" + _DUE * 3 + _COVERED, "Paid", terms=LATER | ROLLS, settings=LONG, **_BY_FOUR),
    Scenario("a deposit is not renewed", DEPOSITED + "blocks CR\nuntil rollover.asked\nblocks CL\nuntil deposit.returned\n" + _DUE, "Paid", terms=LATER | ROLLS, settings=LONG),
    Scenario("a deposit is wrongly renewed", DEPOSITED + "blocks CR\nuntil rollover.asked\nemployer lock_much\nuntil funding.failed\n" + _DUE, "Paid", terms=LATER | ROLLS, settings=LONG),
    Scenario("a deposit and the other money are renewed up front", _FOUR + _LOCKS + _AHEAD + "blocks R\nuntil rollover.asked\nuntil rollover.asked\nuntil rollover.asked\nwait 60\nemployer lock_renewals\nuntil rollover.completed\nuntil rollover.completed\nuntil rollover.completed\n" + _COVERED + _PAID * 2 + _COVERED, "Paid", terms=UPFRONT | ROLLS, settings=LONG, **_BY_FOUR),
    Scenario("a deposit goes into the books, and is used", DEPOSITED + _IN_BOOKS + _DUE + "never deposit.returned", "Paid", terms=LATER | AT_END),
    Scenario("a deposit of four milestones goes into the books", _TWO_IN_BOOKS + _DUE * 3 + _COVERED + "never deposit.returned", "Paid", terms=LATER | AT_END, **_BY_FOUR),
    Scenario("a deposit of four milestones goes into the books, in rupees", _TWO_IN_BOOKS + _DUE * 3 + _COVERED, "Paid", terms=LATER | AT_END, rupees="1680.50", **_BY_FOUR),
    Scenario("a deposit of four milestones goes into the books at once", _FOUR_AHEAD + "until ledger.locked\nuntil ledger.locked\n" + (_LOCKS + "until ledger.locked\n" + _COVERED) * 3 + _COVERED, "Paid", terms=UPFRONT | BOOKS, **_BY_FOUR),
    Scenario("a deposit that is not renewed goes into the books", DEPOSITED + "blocks CR\nuntil rollover.asked\n" + _IN_BOOKS + "wait 60\nemployer lock_renewals\n" + _DUE, "Paid", terms=LATER | {"on_hold_end": "rollover then ledger"}, settings=LONG),
    Scenario("a deposit comes out of the books when all is over", _TWO_IN_BOOKS + _GIVEN_UP + _TAKES_OUT, "Refunded", terms=LATER | AT_END, **_BY_FOUR),
    Scenario("a deposit in the books, and the rest is lost", DEPOSITED + _IN_BOOKS + _APPROVED + "until invoice.created\nemployer lock\nuntil Verified\nnode dies back\nuntil hold.lost\n" + _TAKES_OUT, "Expired", terms=LATER | AT_END),
    Scenario("a deposit in the books, and the rest is never paid", DEPOSITED + _IN_BOOKS + _APPROVED + _MISSES + "wait 120\nworker payout\nuntil settlement.completed", "Expired", terms=LATER | AT_END, settings=LONG),
    Scenario("all of a deposit in the books, and the worker cannot be reached", DEPOSITED + _IN_BOOKS + _APPROVED + _MISSES + "until settlement.completed\nwait 60\nworker withdraw_all\nuntil account.paid", "Expired", terms=LATER | AT_END, settings=LONG),
    Scenario("a deposit is lost on its way into the books", DEPOSITED + "node loses settle\nblocks CL\nwait 60\nnode dies back cover\nuntil hold.lost\nnode well\n" + _DUE, "Paid", terms=LATER | AT_END),
    Scenario("all is over while a deposit is on its way into the books", DEPOSITED + "node loses settle\nblocks CL\nwait 60\n" + _GIVEN_UP + "wait 600\nnode well", "Refunded", terms=LATER | AT_END),
    Scenario("held and in the books, and both end it", _HELD_TOO + "worker cancel 0\nuntil cancel.offered\nemployer cancel 0\nuntil Refunded\n" + _TAKES_OUT, "Refunded", terms=UPFRONT | AT_END, **_BY_FOUR),
    Scenario("held and in the books, and both part it", _HELD_TOO + "worker cancel 40\nuntil cancel.offered\nemployer cancel 40\nuntil Verified\nwait 120\nworker payout\nuntil Paid\n" + _TAKES_OUT, "Paid", terms=UPFRONT | AT_END, **_BY_FOUR),
    Scenario("held and in the books, and disputed for ever", _HELD_TOO + "worker dispute\nuntil Disputed\nblocks L\nuntil ledger.locked", "Refunded", terms=UPFRONT | AT_END, settings={"dispute_days": 1}, **_BY_FOUR),
    Scenario("held and in the books, and lost under a payout", _HELD_TOO + _APPROVED + "node payout_stuck=True\nwait 120\nworker payout\nwait 120\nnode well\nnode dies back\nuntil hold.lost\npayee takes", "Paid", terms=UPFRONT | AT_END, **_BY_FOUR),
    Scenario("held and in the books at the margin", _HELD_TOO + _APPROVED + "node no_outbound=True\nworker payout_swap\nwait 600\nblocks M\nuntil settlement.completed\nnode well\nwait 60\nworker withdraw_all\nuntil account.paid\n" + _COVERED, "Paid", terms=UPFRONT | AT_END, **_BY_FOUR),
    Scenario("a deposit is lost while it is aside", DEPOSITED + "node dies back cover\nuntil hold.lost\n" + _DUE, "Paid", terms=LATER),
    Scenario("a deposit is lost while payment is waited for", _OWES + "until invoice.created\nnode dies back cover\nuntil hold.lost\nemployer lock\nuntil funding.failed\nemployer fund\n" + _PAYS, "Paid", terms=LATER),
    Scenario("a deposit of a later milestone is lost", _FOUR_AHEAD + "node dies back cover\nuntil hold.lost\n" + _DUE * 3 + _COVERED, "Paid", terms=LATER, **_BY_FOUR),
    Scenario("a deposit of a later milestone is lost up front", _FOUR + _LOCKS + _AHEAD + "node dies back cover\nuntil hold.lost\nemployer accept_deposit\nuntil invoice.created\nwait 60\nemployer lock_ahead\nuntil invoice.accepted\n" + _COVERED + _PAID * 2 + _COVERED, "Paid", terms=UPFRONT, **_SOONER),
    Scenario("of two holds the deposit is lost before the payout", _BOTH + "node dies back cover\nuntil hold.lost", "Expired", terms=LATER),
    Scenario("of two holds one is lost under a payout that arrives", _STUCK + "node dies back cover\nuntil hold.lost\npayee takes", "Paid", terms=LATER),
    Scenario("of two holds one is lost under a payout that fails", _STUCK + "node dies back cover\nuntil hold.lost\npayee refuses", "Expired", terms=LATER),
    Scenario("of two holds one is lost after the payout", _BOTH + "node loses settle\nwait 120\nworker payout\nuntil Verified/settling\nnode dies back cover\nuntil hold.lost\nwait 600\nnode well", "Paid", terms=LATER),
    Scenario("of two holds both are lost under a payout that arrives", _STUCK + "node dies back cover\nuntil hold.lost\nnode dies back\nwait 600\npayee takes", "Paid", terms=LATER),
    Scenario("of two holds one is lost at the margin", _STUCK + "payee on_chain\nnode loses settle\nblocks M\nuntil Verified/settling\nnode dies back cover\nuntil hold.lost\npayee refuses\nwait 600\nnode well", "Expired", terms=LATER),
    Scenario("two holds at the margin", _BOTH + "node no_outbound=True\nworker payout_swap\nwait 600\nblocks M\nuntil Paid\nnode well\nwait 60\nworker withdraw_all\nuntil account.paid", "Paid", terms=LATER),
    Scenario("one of two holds is settled, and the node says nothing of the other", _BOTH + "wait 120\nnode lose_answers=3 only=settle\nworker payout\nuntil settlement.started\ndaemon dies 20\nwait 900\nnode well", "Paid", terms=LATER),
    Scenario("two holds for a worker who cannot be reached", _BOTH + "until payout.failed", "Expired", terms=LATER, settings=LONG),
    Scenario("two holds, and a dispute", _BOTH + "worker dispute\nuntil Disputed\nwait 60\nemployer approve\nuntil Verified\nwait 120\nworker payout", "Paid", terms=LATER),
    Scenario("two holds up front, and both end it", _FOUR_AHEAD + _PAID * 2 + _LOCKS + "worker cancel 0\nuntil cancel.offered\nemployer cancel 0", "Refunded", terms=UPFRONT, **_SOONER),
    Scenario("two holds up front, and both part it", _FOUR_AHEAD + _PAID * 2 + _LOCKS + "worker cancel 40\nuntil cancel.offered\nemployer cancel 40\nuntil Verified\nwait 120\nworker payout\nuntil Paid\nwait 60\nemployer withdraw_all\nuntil account.paid", "Paid", terms=UPFRONT, **_SOONER),
    Scenario("two holds up front, and one is lost under work", _FOUR_AHEAD + _PAID * 2 + _LOCKS + "node dies back cover\nuntil hold.lost", "Expired", terms=UPFRONT, **_SOONER),
    Scenario("two holds up front, and no work", _FOUR_AHEAD + _PAID * 2 + _LOCKS, "Expired", terms=UPFRONT, **_SOONER),
    Scenario("two holds up front, renewed in a dispute", _FOUR_AHEAD + _PAID * 2 + _LOCKS + "worker submit\nuntil proof.submitted\nworker dispute\nuntil Disputed\nblocks R\nuntil rollover.asked\nwait 300\nemployer lock_renewals\nuntil rollover.completed\nwait 900\nemployer lock_renewals\nwait 900\nemployer approve\nuntil Verified\nwait 120\nworker payout\nuntil settlement.completed\n" + _COVERED, "Paid", terms=UPFRONT | ROLLS, settings=LONG, **_BY_FOUR),
    Scenario("two holds up front, and the dispute outlasts them", _FOUR_AHEAD + _PAID * 2 + _LOCKS + "worker dispute\nuntil Disputed", "Refunded", terms=UPFRONT, **_SOONER),
    Scenario("parted, and a deposit has more than that", DEPOSITED + "worker cancel 10\nuntil cancel.offered\nemployer cancel 10\nuntil Verified\nwait 120\nworker payout\nuntil Paid\nwait 60\nemployer withdraw_all\nuntil account.paid", "Paid", terms=LATER),
    Scenario("a project is given up, and its deposit goes back", _FOUR_AHEAD + "worker cancel 0\nuntil cancel.offered\nemployer cancel 0\nuntil deposit.returned", "Refunded", terms=LATER, **_BY_FOUR),
    Scenario("a project is given up between two milestones, and its deposit goes back", _FOUR_AHEAD + _PAID + "employer cancel\nuntil deposit.returned", "Refunded", terms=UPFRONT, **_SOONER),
    Scenario("a project ends in a split, and its deposit goes back", _FOUR + _LOCKS + _AHEAD + "worker cancel 40\nuntil cancel.offered\nemployer cancel 40\nuntil Verified\nwait 120\nworker payout", "Paid", terms=UPFRONT, **_SOONER),
    Scenario("a project with a deposit, and nobody works", _FOUR_AHEAD, "Expired", terms=LATER, **_BY_FOUR),
    Scenario("given back with a deposit", DEPOSITED + "worker abandon\nuntil Draft", "Expired", terms=LATER),
    Scenario("disputed with a deposit for ever", DEPOSITED + "worker submit\nuntil proof.submitted\nworker dispute\nuntil Disputed", "Refunded", terms=LATER),
    Scenario("a cancel goes out, and the deposit has just landed", BEGUN + "employer accept_deposit\nuntil invoice.created\nworker cancel 0\nuntil cancel.offered\nnode loses cancel\nemployer cancel 0\nuntil Refunded\nemployer lock_ahead\nuntil funding.stray\nnode well", "Refunded", terms=LATER),
    Scenario("killed all along a deposit", BEGUN + "daemon dies 3\nemployer accept_deposit\nuntil deposit.accepted\ndaemon dies 2\nuntil invoice.created\ndaemon dies 5\nemployer lock_ahead\nuntil invoice.accepted\ndaemon dies\nwait 300\nworker submit\nuntil proof.submitted\nemployer approve\ndaemon dies 9\nuntil Claimed/awaiting_payment\nuntil invoice.created\ndaemon dies 2\nemployer lock\nuntil Verified\ndaemon dies 4\nwait 240\nworker payout\ndaemon dies 12\nuntil Paid\ndaemon dies 2", "Paid", terms=LATER),
    Scenario("killed while a deposit is paid and the node is away", BEGUN + "employer accept_deposit\nuntil invoice.created\ndaemon away\nwait 60\nemployer lock_ahead\nwait 600\nnode restarts\ndaemon back\nuntil invoice.accepted\n" + _DUE, "Paid", terms=LATER),
    Scenario("killed while all of a project's money goes back", _FOUR_AHEAD + "node lose_answers=6 only=cancel\nworker cancel 0\nuntil cancel.offered\nemployer cancel 0\ndaemon dies 14\nuntil Refunded\ndaemon dies 3\nwait 900\nnode well", "Refunded", terms=LATER, **_BY_FOUR),
    Scenario("frozen with a deposit", DEPOSITED + "operator freeze\nuntil task.frozen\nemployer accept_deposit\nwait 600\nnode dies back cover\nuntil hold.lost\noperator unfreeze\nuntil task.unfrozen\n" + _DUE, "Paid", terms=LATER),
)  # fmt: skip

SCENARIOS: dict[str, Scenario] = {
    each.name: each
    for each in (
        *INCIDENTS, *HOSTILE, *WAYS, *BOOKED, *HIRED, *PROJECTS, *ON_APPROVAL, *PRICED, *HOURLY, *DEPOSITS, *PLACES, TOUCHED_LATER,
    )
}  # fmt: skip
