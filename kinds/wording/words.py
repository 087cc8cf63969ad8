"""English for the closed words that facts hold: states, reasons, what runs out. An unknown word is shown as it is."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    # states of a task, and what the node is doing beside them
    "Draft": "a draft without money",
    "PendingFunding": "waiting for the payment of its invoice",
    "Funded": "funded and open for a claim",
    "Claimed": "claimed by a worker",
    "Verified": "approved and being paid",
    "Paid": "done and paid",
    "Refunded": "over, and no money is held for it",
    "Disputed": "in dispute",
    "Expired": "expired",
    "settling": "paying out",
    "refunding": "giving the money back",
    "awaiting_payment": "approved, and waiting for the employer's payment",
    # how a project is paid
    "FIXED_PRICE": "full payment, in one go",
    "HOURLY_RATE": "payment by the hour",
    "MILESTONE": "milestones",
    # what runs out
    "unfunded": "it was not funded in time",
    "unclaimed": "nobody claimed it in time",
    "hold_timeout": "nobody claimed it in time",
    "hold_end": "the time for which a Lightning payment can be held was over",
    "dispute_limit": "the dispute has lasted as long as one may last that no held payment ends",
    "no_proof": "no work arrived before the deadline",
    "no_resubmission": "no new work arrived in time",
    "unpaid": "the employer has not paid for the approved work",
    "worker_unreachable": "the worker's wallet could not be paid for a day",
    "hold_lost": "the held payment is gone",
    "deadline": "deadline",
    # why a funding failed
    "node": "the Lightning node could not make the invoice",
    "old_rate": "the node took so long that the exchange rate is too old",
    "wrong_invoice": "the Lightning node made another invoice than it was asked for",
    "amount": "another amount arrived than the invoice asked for",
    "too_many_parts": "the payment came in too many parts",
    "small_parts": "the payment came in parts that are too small to be held safely",
    "off_channel": "a part of the payment was no longer on an open channel",
    "expires_too_soon": "the payment would have expired before the work can be judged",
    "deposit_gone": "the deposit that was counted on is no longer there, so it was too little",
    "too_short": "it could not be held for as long as its milestone may take",
    "over": "the task is over",
    "deposit": "locked ahead, as a deposit",
    # why no invoice is made
    "no_inbound": "my node cannot receive that much",
    "no_outbound": "what my node can send is kept for work that is approved",
    "no_slots": "my node holds as many payments as its channels carry",
    "held_ceiling": "as much money is held as this house takes at a time",
    # why something ended
    "cancelled": "the employer cancelled it",
    "agreed": "both sides agreed",
    "agreement": "by agreement",
    "approve": "by the employer's approval",
    "abandoned": "the worker gave it back",
    "compensation": "compensation for a loss",
    "change": "the rest of an agreed split",
    "back from the books": "your money, back from the books",
    "refund": "a refund that could not be given at the node",
    "unpaid at the end of the hold": "a reward that could not be paid in time",
    # what is known of a deliverable
    "matched": "the file was downloaded and its sha256 is right",
    "mismatched": "the file has another sha256",
    "unchecked": "the file was not checked",
    "fetching_off": "this operator does not download files",
    "scheme": "only http and https links can be downloaded",
    "too_large": "the file is too large to be downloaded here",
    "timeout": "the download took too long",
    "refused_address": "the link leads to an address that is not visited",
    "http_status": "the server did not hand the file out",
    "redirects": "the link was redirected too often or to nowhere",
    "unreachable": "the server could not be reached",
    "truncated": "the download broke off",
    "encoded": "the server sent the file in a compressed form only",
    # an account's lines, and withdrawals under way
    "withdrawal": "withdrawal, with what sending it may cost",
    "fee_unused": "what sending it did not cost",
    "withdrawal_failed": "a withdrawal that could not be sent",
    "planned": "being sent",
    "claimed": "being sent",
    "in_flight": "on its way",
    # payouts
    "not_sent": "it was not sent",
    "invoice_expired": "your invoice has expired",
    # clocks
    "future": "lies in the future",
    "ancient": "lies too far back",
    # incidents
    "settled_unasked": "a hold was settled that nobody asked to settle",
    "settled_unheld": "an invoice was settled without being held first",
    "settled_instead_of_refunded": "a hold was settled that should have been given back",
    "hold_preimage_unknown": "the node settled a hold without showing its preimage",
    "no_room": "new invoices are refused for want of room",
    "loss": "money was paid out whose hold was lost",
}

AHEAD: Mapping[str, str] = {
    # the same words while the time is still running: a card's countdown and a warning
    "unfunded": "Fund it until",
    "unbegun": "The work is to begin until",
    "next_unfunded": "The money for the next milestone is to be locked until",
    "next_unpaid": "The employer has not locked the money for the next milestone yet; he may until",
    "unpaid": "The employer must lock the money until",
    "unclaimed": "Nobody has claimed it; the money comes back at",
    "no_proof": "The work must arrive until",
    "no_resubmission": "The new work must arrive until",
    "resubmit": "The new work must arrive until",
    "deadline": "The work must arrive until",
    "silence": "The review ends",
    "review": "The review ends",
    "judgement": "The review of your work ends",
    "unreachable": "The worker must become payable until",
    "unreachable_owed": "The worker must become payable until",
    "dispute_limit": "The dispute gives the money back to the employer at",
    "missed": "The employer pays for the approved work until",
    "payment": "The work is approved; the employer pays for it until",
    "hold_end": "The time for which the payment can be held runs out around",
}

BADGES: Mapping[str, str] = {
    "Draft": "⚪ Draft",
    "PendingFunding": "🟡 Waiting for payment",
    "Funded": "🔵 Funded, open for a claim",
    "Claimed": "🟠 Claimed",
    "Verified": "🟢 Approved, paying",
    "Paid": "✅ Paid",
    "Refunded": "↩️ Refunded",
    "Disputed": "🔴 Disputed",
    "Expired": "⌛ Expired",
}

WORK: Mapping[str, str] = {
    "IN_PROGRESS": "the work is under way",
    "SUBMITTED": "the work is under review",
    "REJECTED": "the work was rejected",
}

WORK_BADGES: Mapping[str, str] = {
    "PENDING": "⚪",
    "IN_PROGRESS": "🟠",
    "SUBMITTED": "👀",
    "APPROVED": "🟢",
    "RELEASED": "✅",
    "REJECTED": "🔁",
}

LABELS: Mapping[str, str] = {
    # lines of cards, in the language of template.py
    "total": "{total_msat:sats} in all",
    "option whole": "A · Full payment[recommended=FIXED_PRICE?  (recommended)]: one delivery, one review, paid in one go. Best up to"
    " {threshold_msat:sats} and for well-defined work.",
    "option hours": "A · By the hour[recommended=HOURLY_RATE?  (recommended)]: {hourly_rate} {hourly_unit} for each of up to {hours_cap} hours; one"
    " delivery names the hours, one review[funding=upfront?, and what was not worked comes back to the employer][funding=on_approval?, and the employer is"
    " asked for what was worked]. Best up to {threshold_msat:sats}.",
    "option parts": "B · Milestones[recommended=MILESTONE?  (recommended)]: several deliveries, each one funded, judged and paid by itself."
    " Best above {threshold_msat:sats} and for complex work.",
    "selected": "Chosen: {selected:word}. It is locked.",
    "upfront": "[funding=upfront?* ][funding=on_approval?  ]Paid up front (upfront): the money is locked before the work begins, which is safer for the worker.",
    "on approval": "[funding=on_approval?* ][funding=upfront?  ]Paid on approval (on_approval): the work begins without it; the employer is asked for the"
    " money when he has approved, and has two days for it. Nothing is held for the worker before.",
    "choose": "Talk it over: say {task} TEXT\nA: the employer selects it: select {task} full\nB: either of you proposes:"
    " milestones {task} TITLE AMOUNT DATE; TITLE AMOUNT DATE; ...\n(* is how this task is paid; a proposal may say it otherwise: milestones {task} funding=on_approval ...)",
    "hours in parts": "Each milestone is then paid by the hour too, and its amount is the most that it can come to.",
    "hours instead": "By the hour, which either of you may propose: milestones {task} payment_type=HOURLY_RATE rate=AMOUNT cap=HOURS, and milestones"
    " behind it if you want some. AMOUNT times HOURS is the whole.",
    "open plan": "Proposed by {by:who}: agree {task} {plan:short}",
    "proposed by": "[milestones? Milestones][!milestones? Payment by the hour], proposed by {by:who}:",
    "plan": "[milestones? The milestones][!milestones? Payment by the hour], agreed on and locked:",
    "plan total": "[milestones? Sum {total_msat:sats}, which is the whole][!milestones? {total_msat:sats} in all, which is the whole]",
    "plan cost": "With fees {cost_msat:sats}[milestones?  over all milestones]",
    "plan rules": "[milestones? Each one][!milestones? The work] is judged within {review_window:span};[on_reject=revise? rejected work may be delivered again, {max_rejects}"
    " times][on_reject=dispute? rejected work goes to dispute][funding=upfront?; the money for it is locked before its work begins]"
    "[funding=on_approval?; the money for it is asked for when it is approved, and none is held before]",
    "plan next": "[stage=asked? If you agree: agree {task} {plan:short}\nTo change it: milestones {task} ...]"
    "[stage=waiting? The other side is asked to agree.]"
    "[stage=whole? Next, by the employer: select {task} full]"
    "[stage=agreed? Next: fund {task} gives the invoice of milestone 1.][stage=begun? The work on milestone 1 begins now.]",
    "part": "{state:badge} {number}. {title:says} · {reward_msat:sats}[ · {hours:hours} hours] · {due:date}",
    "part about": "[description?   {description:says}]",
    "earlier parts": "✅ {count} earlier ones",
    "released": "✅ Milestone {released} is paid and released.",
    "upcoming": "Next: {number}. {title:says} · {reward_msat:sats} · due {due:when}",
    "upcoming next": "[funding=upfront? It begins when {hold_msat:sats} are locked for it: fund {task}][funding=on_approval? It begins now.]"
    "[funding=covered? It begins now: your deposit is its money.]",
    "deposit": "🔒 Consider locking {percent} % of the whole ahead, about {deposit_msat:sats}: it keeps trust and flexibility on both sides.",
    "deposit held": "🔒 {deposit_msat:sats} are locked ahead",
    "deposit rules": "It is held, not paid, and counts for the last payments. What is not used goes back to you, all of it if the work is not done.",
    "deposit answers": "accept: deposit {task} accept\nlater: deposit {task} later\ndismiss: deposit {task} decline",
    "completed": "✅ Project complete: all {of} milestones are paid, {total_msat:sats} in all.",
    "file": "{url:exact}\n  sha256 {sha256:exact}",
    "role": "You are the {role}.",
    "description": "Asked for: {description:says}",
    "phase": "[phase=awaiting_payment? The employer is to pay: fund {task} gives him the invoice.][phase!=awaiting_payment? The node is {phase:word}.]",
    "frozen": "❄️ Frozen by the operator: its deadlines stand still.",
    "deadline": "Deadline: {deadline:when}",
    "until": "⏳ {until_what:ahead} {until:when}",
    "parties": "Employer {employer:who}[ · worker {worker:who}]",
    "proof": "[Work: {url:exact}\n]sha256 {sha256:exact} ({check:word})[key_hash? \nIt is sealed.][\nIts key: {key:exact}]",
    "sealed": "The work may come sealed: it can be opened only after it is paid for.",
    "books": "The money is in my books: no block height presses.",
    "height": "Held until block {expiry_height}; payable until block {last_safe_height}[, now {height}]",
    "credit": "This task has put {credit_msat:sats} to your account: balance shows what is in it.",
    "order": "First a worker, then the money: it is locked when somebody is hired.",
    "applicants": "{applicants} offered to do it.",
    "proposal": "• {who:npub}[: “{note:says}”]",
    "now": "What you can do now:",
    "cost": "[service_fee_msat? {net_msat:sats} for the worker + {service_fee_msat:sats} service fee]"
    "[!service_fee_msat? {reward_msat:sats}] + up to {budget_msat:sats} for sending them",
    "by hour": "By the hour: {hourly_rate} {hourly_unit} each, {hours_cap} hours at most.",
    "hours": "{hours:hours} hours are delivered, of {most:hours} at most: {amount_msat:sats} for the worker.",
    "entry hours": "{hours:hours} hours",
    "hours named": "You have named {hours_named:hours} hours for your next delivery.",
    "price": "Price: {price:price}. [indicative? In sats about as much as below, at {rate:rate} per bitcoin; the rate is frozen when the invoice is"
    " made.][!indicative? Frozen at {rate:rate} per bitcoin, as {rate_sources:list} told at {rate_time:date}.]",
    "invoice": "⚡ Pay {amount_msat:sats} to lock the money",
    "deposit invoice": "⚡ Pay {amount_msat:sats} to lock it ahead[milestone?  for milestone {milestone}]",
    "deposit renews": "This renews a part of your deposit, whose hold comes to its end. The old hold is released as soon as this one is there;"
    " without it that part goes back to you.",
    "deposit pending": "Your wallet shows it as pending: that is how it is held. What is not used of it goes back to you.",
    "renews": "This renews the hold of your task, which comes to its end with block {last_safe_height}. The old hold is released as soon"
    " as this one is there; without it the task ends then as agreed.",
    "share": "{net_msat:sats} for the worker[service_fee_msat?  + {service_fee_msat:sats} service fee]"
    " + {budget_msat:sats} for sending them[deposit_msat? , less {deposit_msat:sats} that are locked ahead already]",
    "expires": "⏳ Valid until {expires_at:when}",
    "pending": "Your wallet shows it as pending: that is how it is held. Nobody has it before you approve.",
    "your tasks": "Your tasks:",
    "open tasks": "Open for a claim:",
    "no tasks": "You have no tasks. To offer one: {example:exact}",
    "earlier": "… {count} earlier entries",
    "history": "Task {task}, as published:",
    "receipt": "🧾 Receipt for the {role}[network=simnet?  (play money)], written {issued_at:date}",
    "reward": "Agreed reward: {reward_msat:sats}[ in {milestones} milestones]",
    "UPFRONT_ESCROW": "Locked in escrow",
    "MILESTONE_PAYMENT": "Paid for a part of the work",
    "FULL_PAYMENT": "Paid for the work",
    "REFUND": "Back to the employer",
    "COMPENSATION": "Compensation",
    "transaction": "• {name}[, milestone {of_milestone}][, {hours:hours} hours]: {amount_msat:sats}[ ({currency_amount} {currency})][ · {when:date}][ · {done}][ · {what:word}]",
    "PENDING": "under way",
    "FAILED": "failed",
    "SUCCESS": "",
    "proof of payment": "  Payment hash {payment_hash:exact}\n  Preimage (the proof of payment) {preimage:exact}",
    "sums": "What became of the {escrow_msat:sats} that were locked:",
    "paid_msat": "– {paid_msat:sats} for the worker",
    "routing_fee_msat": "– {routing_fee_msat:sats} for sending them",
    "fee_msat": "– {fee_msat:sats} service fee",
    "insurance_msat": "– {insurance_msat:sats} for the insurance account",
    "refunded_msat": "– {refunded_msat:sats} back to the employer",
    "log": "Public log: {seq} entries, the newest {head:exact}",
    "operator": "Operator: {bot:npub}",
    "check": "Anybody can check it: holdfast verify {task}",
    "page title": "Receipt · task {task}",
    "page": "Receipt for the {role}: “{title:says}”",
    "page task": "Task {task} · {state:word} · agreed reward {reward_msat:sats}[ in {milestones} milestones] · offered {created_at:date}",
    "page play": "Play money: this is simnet, nothing here is worth anything.",
    "page employer": "Employer",
    "page worker": "Worker",
    "page operator": "Operator of the escrow",
    "page written": "Written {issued_at:date}",
    "column id": "Transaction",
    "column type": "What",
    "column status": "Status",
    "column amount": "Amount",
    "column fee": "Routing fee",
    "column paid_by": "Paid by",
    "column released_to": "Released to",
    "column created_at": "Since",
    "column released_at": "Released",
    "page proof": "Proof of payment of {id}",
    "page payment hash": "Payment hash",
    "page preimage": "Preimage",
    "page proves": "The sha256 of the preimage is the payment hash: only who was paid could give it away.",
    "page verify": "How to check it",
    "page steps": "The public log of this task has {seq} entries; the id of the newest is {head:exact}. Anybody can replay it: holdfast verify"
    " {task} --relay URL --bot {bot:npub}. The payment hashes in this receipt stand in it.",
    "holds": "{count} payments are held, {total_msat:sats} in all[; the height is {height}]:",
    "no holds": "Nothing is held.",
    "hold": "  held for {age:span}, payable until block {last_safe_height}, over at block {expiry_height}",
    "more": "… and {count} more",
    "balance": "Your account: {available_msat:sats}",
    "payable": "You can withdraw {payable_msat:sats} now, and up to {payable_budget_msat:sats} are for sending them: withdraw INVOICE",
    "too little": "That is too little to be sent; it stays yours.",
    "under way": "On their way, with what sending them may cost: {under_way_msat:sats}",
    "withdrawal": "• {amount_msat:sats} · {state:word} · asked for at {asked:date}",
    "statement": "Your account, the newest first; it has {available_msat:sats}:",
    "no lines": "Nothing has come to your account.",
    "line": "• {at:date} · {amount_msat:sats} · {what:word}[ · task {task}] · then {balance_msat:sats}",
    "incidents": "Incidents, the newest last:",
    "no incidents": "There was no incident.",
    "incident": "• {at:date} · {code:word}[ · {amount_msat:sats}][ · task {task}]",
}

SERVICE_FEE: tuple[str, ...] = (
    "[service_fee_ppm? {service_fee_ppm:percent} of the reward]",
    "[service_fee_base_msat? {service_fee_base_msat:sats} for each task]",
    "[service_fee_minimum_msat? at least {service_fee_minimum_msat:sats}]",
)

TERMS: tuple[str, ...] = (
    "[paused? Closed for new business at the moment: what is under way goes on.]",
    "[play_money? Play money: this is {network}, nothing here is worth anything.][!play_money? Network: {network}.]",
    "Reward: {min_reward_msat:sats} to {max_reward_msat:sats}.",
    "Service fee: [service_fee? {service_fee:list}][!service_fee? none].[payer=employer? The employer pays it on top of the"
    " reward.][payer=worker? It is taken off what the worker gets.][payer=split? Employer and worker bear half of it each.]"
    "[insured? {insured} % of it are kept in an insurance account.]",
    "Kept for sending the reward: {budget_ppm:percent} of it, at least {budget_base_msat:sats}.",
    "[currencies? A price may also be named in a currency ({currencies:few}). It is turned into sats when the invoice is made, rounded up; such an"
    " invoice lives {rate_expiry:span}.][rate_agree=1? The rate is a play rate ({rate_sources:few}).][rate_agree!=1? The rate is the median of what"
    " {rate_sources:few} say: {rate_agree} of them must agree within {rate_spread_percent} %, and no rate is older than {rate_age:span}.]"
    "[!currencies? Prices are in sats.]",
    "An invoice lives {invoice_expiry:span}; at most {quotes_a_day} a day are made for one task.",
    "[sees_parts? A payment may come in {max_parts} parts of {min_part_msat:sats} or more.][!sees_parts? The parts of a payment"
    " and their channels are not seen here: what is held is what the wallet says, asked again before each payout.]",
    "An invoice is made while the node has room for it[min_inbound_msat? and can still receive {min_inbound_msat:sats}]"
    "[min_outbound_msat? , can send {min_outbound_msat:sats} beside all approved work][min_free_slots? , has {min_free_slots} slots"
    " free].[max_held_msat? No more than {max_held_msat:sats} are held at a time.] Approved work is paid first.",
    "Nobody claims it within {hold_timeout:span}: the money goes back.",
    "The employer has {review_window:span} to judge the work; then what the task's terms say (on_silence) happens.",
    "A deadline lies at most {max_deadline:span} ahead, and within what a Lightning payment can be held ({hold_cltv} blocks).",
    "Work can be delivered {proofs_a_day} times a day.[fetches_deliverables? Files are downloaded and their sha256"
    " compared.][!fetches_deliverables? Files are not downloaded: their sha256 is not compared here.]",
    "When the hold ends, a dispute, rejected work or no work means that the money goes back to the employer; work that nobody"
    " judged is decided by on_silence; approved work is paid or owed, unless the worker's wallet cannot be paid for a day.",
    "[!arbiters? There are no arbiters: a dispute ends by approval, by agreement or with the hold.][Arbiters: {arbiters:list}.]",
    "[!limits_payouts? The route and the fee of a payout are not limited here. When the hold must be settled, it is settled though"
    " a payout is still on its way; what fails then is owed. A fee above what is kept for it is the operator's loss.]",
    "Blocks: settle margin {margin}, payout limit {payout_limit}, dispute reserve {dispute_reserve}, final CLTV of an invoice"
    " up to {max_final_cltv}.",
    "[Version {version:exact}]",
)
