"""English: one table with a sentence for every code. What has happened, then what to do next.

The little language of the sentences is explained in `template.py`; the words that facts hold are explained in `words.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinds.codes import Refused as R
from kinds.codes import Told as T
from kinds.wording.template import fill

SENTENCES: Mapping[R | T, str] = {
    # form
    R.UNKNOWN_COMMAND: "[“{word}” is no command that I know.][!word? I found no command in that.]"
    "[ Did you mean {near:or}?] Send help for the list.",
    R.BAD_USAGE: "[{problem:cap}.] Write it like this: {usage:exact}\nhelp {action} explains it.",
    R.BAD_JSON: "I cannot read this JSON: {problem}. The message must be one JSON object with v, action and the command's fields.",
    R.BAD_FIELD: "“{field}” cannot be used: {problem:problem}. Nothing was done; correct it and send it again.",
    R.TOO_LONG: "That is too long: I read at most {limit} bytes in one message.",
    R.UNKNOWN_TERM: "I know no term called “{term}”. The terms are: {near:list}.",
    R.NOT_BUILT: "{what:cap}: planned, but not built yet.[ What works today: {built:list}.] Nothing was done.",
    R.NOT_OFFERED: "{what:cap}: this operator does not offer that.[ What he offers: {offered:list}.] Nothing was done.",
    R.BAD_AMOUNT: "The amount cannot be used: {problem:problem}.",
    R.BAD_DEADLINE: "The deadline cannot be used: {problem:problem}.",
    R.BAD_HOURS: "These hours cannot be used: {problem:problem}.[task? Nothing was done. Say them like this: hours {task} 12.5]",
    R.BAD_HASH: "“{field}” is not right[: {problem:problem}].[!problem? It must be 64 hex digits and belong to what you"
    " send (for a file: sha256sum FILE).]",
    R.BAD_URL: "“{field}” is not a link that I can use[: {problem:problem}].[!problem? It must start with https:// and"
    " have no spaces.]",
    R.BAD_TAG: "The tag “{tag}” of your event cannot be used: {problem}. Correct it and publish the event again.",
    R.BAD_CREATED_AT: "The time on your message is wrong: it {problem:word}. Check the clock of your device and send it again.",
    # who and which
    R.UNKNOWN_TASK: "I know no task “{id}”. Check the letters; tasks lists yours.",
    R.AMBIGUOUS_TASK: "“{id}” fits several of your tasks: {tasks:list}. Write more of its letters.",
    R.NOT_YOUR_TASK: "Only the {role} of task {task} can do that[ ({action})]. status {task} shows where it stands.",
    R.NOT_OPERATOR: "Only the operator of this house can say {action}. Nothing was done. help lists what you can say.",
    R.OWN_TASK: "Task {task} is your own: somebody else has to claim it.",
    R.ADDRESS_TAKEN: "This event's address already belongs to task {task}, which is under way."
    " To offer another task, publish it with a new d tag.",
    # when
    R.WRONG_STATE: "[!action? That][action? “{action}”] does not fit now: task {task} is {state:word}"
    "[phase? , and the node is {phase:word}].[ You can: {may:or}.]",
    R.TOO_LATE: "Too late: the {what:word} of task {task} was over at {since:date}.",
    R.TAKEN: "Somebody else has claimed task {task} before you. tasks shows what is open.",
    R.NOT_HIRED: "Nobody is hired for task {task} yet, and its terms want the worker before the money.[claim=pick? status {task} shows"
    " who has offered to do it; then: hire {task} NPUB][claim=first? As soon as somebody claims it you are told.]",
    R.ALREADY_HIRED: "Task {task} has a worker already: {worker:npub}. Nothing was done.",
    R.NOT_AN_APPLICANT: "Nobody is hired.[gone? {who:npub} is not available at the moment.][!gone? {who:npub} has not offered to do task {task}.]"
    "[claim=first? In this task the first claim wins; nobody is picked.][claim=pick? status {task} shows who has.]",
    R.FROZEN: "Task {task} stands still[broken? : something is broken on my side and the operator was told]"
    "[!broken? : the operator has frozen it]. The money stays where it is; try again later.",
    R.ALREADY: "That is so already ({action}); nothing was changed.[again? If you mean it once more, say it with again=yes.]",
    R.FUNDING_BUSY: "The invoice for task {task} is being made. It comes by itself in a moment.",
    R.PAYOUT_BUSY: "A payout of task {task} may be on its way, so its destination cannot be changed now. status {task} shows more.",
    R.NO_PLAN: "No milestones are proposed in task {task}. Either of you proposes them: milestones {task} TITLE AMOUNT DATE; ...",
    R.PAYS_LATER: "In task {task} nothing is locked before the work: you are asked for the money when you have approved it. For full payment the work"
    " begins with: select {task} full",
    R.PLAN_NEEDED: "The terms of task {task} are milestones, and none are agreed on yet: milestones {task} TITLE AMOUNT DATE; ...",
    R.PLAN_CHANGED: "That is not the newest proposal. Look at it with options {task}; to agree: agree {task} {plan:short}",
    R.PLAN_YOURS: "That is your own proposal: the other side has to agree to it. To change it, send milestones {task} again.",
    R.PLAN_LOCKED: "How task {task} is paid is agreed on and locked, with this worker or by a deposit that is held for it.",
    R.PLAN_SUM: "[hours_cap? {hours_cap} hours at {hourly_rate} {hourly_unit} come][!hours_cap? The milestones come]"
    "[sum_price?  to {sum_price:price}, and the project is {total_price:price}: the sums must be equal.]"
    "[!sum_price?  to {sum_msat:sats}, and the project is {total_msat:sats}: the sums must be equal"
    " (it is {off_msat:sats} off).] Nothing was proposed.",
    R.BAD_PLAN: "The milestones cannot be used: {problem:problem}.[ The deadline is {deadline:date}.] Nothing was proposed.",
    R.NOBODY_THERE: "There is no other side in task {task} yet to hear you.",
    R.BASIS_MISSING: "A signed {action} must name what it rests on: an e tag with the marker basis and the id of"
    "[needs=any? a log entry of task {task}][needs!=any? the newest {needs} entry of task {task}].",
    R.BASIS_STALE: "Your signed {action} rests on an older entry: the newest {needs} of task {task} is entry {latest}."
    " Look at it, then sign again with that one as its basis.",
    R.SIGNED_ONLY: "The terms of task {task} ask for signed decisions: publish {action} as a signed event (kind 78)."
    " Answers in JSON have one ready to sign.",
    R.HOURS_NEEDED: "Task {task} is paid by the hour, so tell me how many[ (up to {most:hours})][signed? in the signed delivery itself: a tag hours"
    " with a number like 12.5][!signed? first: hours {task} 12.5, then deliver again].",
    R.NOT_HOURLY: "Task {task} is not paid by the hour, so no hours are needed. Nothing was done.",
    # money
    R.BELOW_MINIMUM: "[milestone? Milestone {milestone}:] That is less than the smallest reward here: {minimum_msat:sats}.",
    R.ABOVE_MAXIMUM: "[milestone? Milestone {milestone}:] That is more than the largest reward here: {maximum_msat:sats}.",
    R.NO_RATE: "I know no exchange rate for {currency} that is new enough: too few of my sources answer, or they do not agree. Nothing was done."
    "[task? Your price stays as it is; try again in some minutes: fund {task}][!task? Try again in some minutes, or name your price in sats:"
    ' post 50000 sats "TITLE" deadline=3d]',
    R.NO_DEPOSIT: "Nothing is left in task {task} that could be locked ahead: its money is held, paid or asked for already, or the work has not"
    " begun. status {task} shows where it stands.",
    R.BAD_INVOICE: "This invoice cannot be used: {problem}.[ It must be valid until {live_until:date} at least.]"
    " Make a new one and send it.",
    R.AMOUNT_MISMATCH: "The invoice must be for exactly {wanted_msat:sats}[got_msat? , but it is for {got_msat:sats}]"
    "[!got_msat? , but it names no amount]. Make a new one and send it.",
    R.HASH_USED: "This invoice was used here before. Make a new one and send it.",
    R.OWN_NODE: "This invoice would pay my own node. Send one of your own wallet.",
    R.DOES_NOT_FIT: "The deadline is too far away for the time that a Lightning payment can be held: the latest possible one"
    " is now {limit:date}.[task? It is too late for that in task {task}; cancel {task} and offer it again.]",
    R.NO_RECEIPT: "There is nothing to receipt in task {task} yet: [role=employer? you have locked no money for it]"
    "[role=worker? nothing has been paid to you for it][!role? no money has moved]. It is {state:word}; status {task} shows what comes next.",
    R.NO_LOSS: "No loss is on record in task {task}, so there is nothing to make good for. log {task} shows its entries.",
    R.NOT_COVERED: "The insurance account cannot give {wanted_msat:sats} and {budget_msat:sats} for sending them. The most that it can"
    " give now: {covered_msat:sats}.",
    R.NOTHING_OWED: "[task? Nothing is owed to you in task {task}, so no destination is needed.][!task? Nothing stands in your account.]"
    "[under_way_msat? {under_way_msat:sats} are on their way to you already.]",
    R.TOO_MUCH: "Your account has {available_msat:sats}, and this takes {wanted_msat:sats} and up to {budget_msat:sats} for sending them."
    "[payable_msat? The most that you can withdraw now: {payable_msat:sats}. Make an invoice over that or less and send it.]"
    "[!payable_msat? It is too little to be sent; it stays yours, and more may come.]",
    R.ACCOUNT_UNSURE: "My memory of your account was restored from a backup, and the operator looks whether something was paid out of it"
    " meanwhile. Your money is where it was; try again later.",
    R.TOO_MANY_WITHDRAWALS: "You have {limit} withdrawals under way, which is the limit. Wait for one to end; balance shows them.",
    # a sealed delivery
    R.SEALED_REFUSED: "Task {task} takes no sealed work: its terms do not say sealed=accepted. Deliver the file as it is, or agree on a new"
    " task.",
    R.BAD_KEY: "Not accepted, since the key[problem=missing?  is missing. Send it by private message: submit {task} LINK SHA256 key=KEY]"
    "[problem=unreadable?  cannot be read. Encrypt it to my key by NIP-44 and publish a new proof, or send it by private message: submit"
    " {task} LINK SHA256 key=KEY][problem=other?  is another one than its published sha256 says. Check both and deliver again]"
    "[problem=public?  stood in a signed, public event. Anybody can read it now: seal the file anew with another key, and send that by"
    " private message: submit {task} LINK SHA256 key=KEY].",
    # how much
    R.RATE_LIMITED: "That is too much at once[ ({what})]. Try again in {wait:span}.",
    R.NEEDS_WORK: "From keys that I do not know yet I only read messages with proof of work (NIP-13): {bits} bits."
    " Many clients can do that; see their settings.",
    R.TOO_MANY_PROOFS: "You have delivered {limit} times within a day, which is the limit. Try again in {wait:span}.",
    R.TOO_MANY_CLAIMS: "You have offered {limit} times within a day to do this, which is the limit. Try again in {wait:span}.",
    R.TOO_MANY_APPLICANTS: "{limit} people have offered to do task {task}, which is as many as I take. Nothing was done; try again"
    " later.",
    R.TOO_MANY_QUOTES: "This task had {limit} invoices within a day, which is the limit. Try again in {wait:span}.",
    R.PAUSED: "The operator has paused new business for now. What is under way goes on. Try again later.",
    R.BANNED: "The operator makes no new agreements with you. What you have under way goes on as agreed, to its end.",
    R.NO_ROOM: "I cannot make another invoice[ over {amount_msat:sats}] right now: {what:word}. What is under way goes on, and approved"
    " work is paid first. Nothing was done; try again later[: fund {task}].",
    R.SAY_AGAIN: "My memory was restored from a backup after you said this, so I cannot know whether it was done then. Nothing is"
    " done a second time: say it again if you still want it.[ status {task} tells how things stand.]",
    R.NODE_AWAY: "The Lightning node does not answer right now. Nothing was done; try again in a few minutes.",
    R.BROKEN: "Something is broken on my side[ in task {task}]. Nothing was changed, your money is where it was, and"
    " the operator knows.",
    # answers to questions
    T.HELP: "{help:lines}[!topic? \nhelp COMMAND explains one of them.]",
    T.TERMS: "The terms that new tasks get here.",
    T.TASKS: "[tasks? Your tasks.][!tasks? You have no tasks.][open? Some are open for a claim.]",
    T.STATUS: "“{title}” is {state:word}[phase? , and the node is {phase:word}].[ {until_what:ahead}"
    " {until:when}.][ You can: {may:or}.]",
    T.HISTORY: "The published entries of task {task}.",
    T.RECEIPT: "Receipt for the {role} of task {task}, which is {state:word}:[escrow_msat?  locked {escrow_msat:sats},][paid_msat?  paid to the"
    " worker {paid_msat:sats},][refunded_msat?  back to the employer {refunded_msat:sats},][compensated_msat?  compensation"
    " {compensated_msat:sats},] by log entry {seq}. To check it: holdfast verify {task}",
    T.BALANCE: "Your account: {available_msat:sats}.[payable_msat? You can withdraw {payable_msat:sats} now: withdraw INVOICE]"
    "[under_way_msat? On their way: {under_way_msat:sats}.]",
    T.STATEMENT: "[lines? What came to your account and left it, the newest first.][!lines? Nothing has come to your account.]",
    T.OPTIONS: "Two ways of being paid for {total_msat:sats}: [hourly_rate? by the hour][!hourly_rate? in one go], or by milestones[recommended=MILESTONE? , which is recommended for"
    " this size].[selected? Chosen: {selected:word}.]",
    T.HOLDS: "[holds? Payments that are held: {count}, {total_msat:sats} in all.][!holds? Nothing is held.]",
    T.INCIDENTS: "[incidents? Incidents so far: {count}.][!incidents? There was no incident.]",
    # a project
    T.PLAN_PROPOSED: "[milestones? Milestones are][!milestones? Payment by the hour is] proposed, {total_msat:sats} in all[hourly_rate?:"
    " {hourly_rate} {hourly_unit} for each of up to {hours_cap} hours]. If you agree: agree {task} {plan:short}",
    T.PLAN_AGREED: "[milestones? The milestones are][!milestones? Payment by the hour is] agreed on and locked, {total_msat:sats} in all.[stage=whole?"
    "  The employer goes on: select {task} full][stage=agreed?  fund {task} gives the invoice of the first one.]"
    "[stage=begun?  The work on the first one begins now.]",
    T.MILESTONE_RELEASED: "Milestone {released} of {of} is paid and released.[funding=upfront?  The next one begins when its money is locked: fund {task}]"
    "[funding=on_approval?  The next one begins now.][funding=covered?  The next one begins now: the deposit is its money.]",
    T.PROJECT_COMPLETED: "All {of} milestones are paid: the project is completed, {total_msat:sats} in all.",
    T.SAID: "From the other side: {words:says}",
    T.PASSED_ON: "Passed on.",
    # a task's life
    T.CREATED: "Your task is made; its id is {task}. Deadline: {deadline:when}.[price? \nThe price is {price:price}. What it is in sats is"
    " frozen when you ask for the invoice; at {rate:rate} per bitcoin it is about this:]\nIt costs {hold_msat:sats}: {net_msat:sats}"
    " for the worker[service_fee_msat? , {service_fee_msat:sats} service fee] and up to {budget_msat:sats} for sending them.[custody=ledger_at_claim? \nAs you asked: when a worker claims it,"
    " I take the held money into my books and keep it for the two of you.][custody=ledger_at_end? \nAs you asked: if nothing is decided when"
    " the payment can be held no longer, I take it into my books and keep it for the two of you.][funding=upfront? \nThat is for {hours_cap} hours at"
    " {hourly_rate} {hourly_unit} each, the most that it can come to: for fewer hours you get the rest back.][funding=on_approval? \nThat is for {hours_cap}"
    " hours at {hourly_rate} {hourly_unit} each, the most that it can come to: for fewer hours you are asked for less.][sealed=accepted? \nAs you asked, the work may"
    " come sealed: then you can open it only after you have paid, and judge it before by a preview at most.] [order!=hire_first?Next: fund {task} gives you the invoice"
    " that locks the money.][order=hire_first?Next: somebody offers to do it, and you are told.][funding=upfront? You lock the money"
    " then.][funding=on_approval? The money is asked for when you have approved the work.]"
    "[claim=pick? You pick the worker: hire {task} NPUB]",
    T.MAKING_INVOICE: "I am making the invoice. It comes by itself in a moment.",
    T.ROLLOVER_ASKED: "The hold behind your task comes to its end: block {last_safe_height} is the last at which you can surely be"
    " paid from it. The employer is asked to renew it.",
    T.ROLLED_OVER: "The hold is renewed: {amount_msat:sats} are held anew, and the old hold is released. Block {last_safe_height} is"
    " now the last at which the worker can surely be paid.",
    T.INVOICE: "[renews? The hold of your task comes to its end with block {last_safe_height}. To renew it, pay this one too; the old"
    " one is released as soon as it is held. ]Pay this invoice to lock {amount_msat:sats}: {net_msat:sats} for the worker,[service_fee_msat?  {service_fee_msat:sats}"
    " service fee,] {budget_msat:sats} for sending them[deposit_msat? , less {deposit_msat:sats} that are locked ahead already]. Valid until {expires_at:when}. Your wallet shows it as pending: that is how it is held.",
    T.INVOICE_EXPIRED: "The invoice has run out unpaid. fund {task} makes a new one.",
    T.INVOICE_FAILED: "The funding did not work: {reason:word}[ (asked: {wanted_msat:sats}, came: {got_msat:sats})]."
    "[wanted_msat? What came goes back at once.][!covers? fund {task} makes a new invoice.][covers? deposit {task} accept makes a new invoice.]",
    T.WRONG_PAYMENT: "A payment of {got_msat:sats} was turned away, because the invoice is for exactly {wanted_msat:sats}."
    " The invoice is still open: pay exactly that.",
    T.LOCKED: "As agreed, {amount_msat:sats} are in my books now: they are nobody's until it is decided, and no block height presses for them any more."
    "[preimage? Your payment is complete; your proof of it is the preimage {preimage:exact}]",
    T.FUNDED: "Your money is held: {amount_msat:sats}. [claim=pick? People can offer to do it, and you pick the worker,][claim!=pick? The task is open for a"
    " claim] until {until:when}; after that the money comes back to you. cancel {task} takes it back before.",
    T.APPLIED: "Your offer to do it is with the employer, who picks. If he picks you, you get {net_msat:sats} for it and are told.[needs_destination? You"
    " can name your invoice then.][dropped_destination? The one that you sent is not kept: how many sats it is, is only known when the employer asks for"
    " his invoice.] abandon {task} takes your offer back.",
    T.PROPOSED: "Somebody offers to do your task: {worker:npub}[\nThey write: “{note:says}”]\nYou have {applicants} to pick from. To pick this"
    " one: hire {task} {worker:npub}",
    T.WITHDRAWN: "{worker:npub} has taken back the offer to do this. That leaves {applicants} to pick from.",
    T.PASSED_OVER: "Somebody else was picked for this task. Your offer stands in case it is given back; abandon {task} takes it off the"
    " list.",
    T.ACCEPTED: "[funding=upfront? The task is yours as soon as the employer has locked the money. Do not begin before: I tell you when it is held.]"
    "[funding=on_approval? The task is yours as soon as it is settled how it is paid. Nothing is held before your work is approved; I tell you when to begin.] Deadline:"
    " {deadline:when}. Reward: {reward_msat:sats}[worker_fee_msat? , less {worker_fee_msat:sats} of service fee: you get"
    " {net_msat:sats}][hourly_rate? , at most: you are paid by the hour, {hourly_rate} {hourly_unit} each].[ The work: {description:says}][custody=ledger_at_claim? As agreed, I take it into my books then and keep it for the two of you.][custody=ledger_at_end? As agreed: if nothing is decided"
    " when the payment can be held no longer, I take it into my books and keep it for the two of you.]"
    "[dropped_destination? \nThe invoice that you sent is not kept: how many sats the price is, is known when the money is asked for. I tell you then, and you"
    " send one over exactly that: payout {task} INVOICE\n]"
    " abandon {task} gives it back before.",
    T.ACCEPTED_BY: "Your task has a worker: {worker:npub}.[ They write: “{note:says}”.] [funding=upfront? Next: fund {task} gives you the invoice that"
    " locks the money; the work begins when it is held.][funding=on_approval? Next: select {task} full begins the work; or agree on milestones first.]",
    T.CLAIMED: "[how=funded? The money is held: you may begin. ][how=begun? You may begin. Nothing is held yet: as agreed, the employer is asked for the money when your work"
    " is approved, and has two days for it. ]The task is yours. Deadline: {deadline:when}. Reward: {reward_msat:sats}[worker_fee_msat? , less"
    " {worker_fee_msat:sats} of service fee: you get {net_msat:sats}][hourly_rate? , at most: you are paid by the hour, {hourly_rate} {hourly_unit}"
    " each].[ The work: {description:says}][custody=ledger? \nThe"
    " money is in my books.][custody=ledger_at_claim? \nAs agreed, I take the held money into my books now and keep it for the two of you.]"
    "[custody=ledger_at_end? \nAs agreed: if nothing is decided when the payment can be held no longer, I take it into my books and keep it for"
    " the two of you.]\nWhen it is"
    " done: [hourly_rate? hours {task} N says how many you have worked, then ]submit {task} LINK SHA256[needs_destination? \nYour invoice over exactly {net_msat:sats} can come now or"
    " later: payout {task} INVOICE]",
    T.CLAIMED_BY: "[how=claim? A worker has claimed your task][how=hire? You have picked the worker][how=funded? Your money is held and the"
    " work begins][how=begun? The work begins, and is paid for when you approve it]: {worker:npub}.[ They write: “{note:says}”.] Deadline: {deadline:when}. You hear from me when the work arrives.",
    T.AWAITING_PAYMENT: "The work is approved, and to be paid for.[pays? That comes to {amount_msat:sats}, until {until:when}. The invoice comes by itself; fund {task} gives it again. What"
    " is not paid in time is on record for everybody.][!pays? {amount_msat:sats} of it are yours][percent!=100? ({percent} %)]"
    "[!pays?. They say: {feedback:says}][!pays?. The employer is asked for the money and has until {until:when}; I tell you when it is held.]",
    T.PAYMENT_MISSED: "The time to pay for the approved work is over. The worker gets what your deposit has for it; {unpaid_msat:sats} are unpaid, which is on"
    " record for everybody.",
    T.PAYMENT_HELD: "Your money is held: {amount_msat:sats}. The worker is paid out of it now.",
    T.DEPOSIT_OFFERED: "You may lock {percent} % of the whole ahead, about {deposit_msat:sats}; it goes back to you if the work is not done. If you like: deposit {task} accept",
    T.DEPOSIT_LATER: "Good: nothing is locked ahead for now. deposit {task} accept does it at any time.",
    T.DEPOSIT_DECLINED: "Noted: nothing is locked ahead, and I do not ask again. deposit {task} accept still does it.",
    T.DEPOSIT_INVOICE: "[renews? The hold of your deposit comes to its end; to renew it, pay this one too, and the old one is released as soon as it is held. ]Pay this invoice to lock {amount_msat:sats} ahead[milestone?  for milestone {milestone}]. Valid until {expires_at:when}. Your wallet shows it as"
    " pending: that is how it is held. What is not used of it goes back to you.",
    T.DEPOSIT_EXPIRED: "The invoice of the deposit[milestone?  for milestone {milestone}] has run out unpaid; nothing else changes. deposit {task} accept makes a new one.",
    T.DEPOSIT_HELD: "{amount_msat:sats} are locked ahead[milestone?  for milestone {milestone}]; the deposit is {held_msat:sats} now. It counts for what is still to be paid.",
    T.DEPOSIT_BACK: "{amount_msat:sats} of the deposit[milestone?  for milestone {milestone}] are no longer held and go back to the employer: {reason:word}. The task goes on;"
    " that part is asked for when its time comes.",
    T.ABANDONED: "The worker has given the task back, without a mark.[refunding? The money goes back to the employer.]"
    "[!refunding? The task is open again.][ It can be claimed until {until:when}.]"
    "[applicants? {applicants} of those who offered to do it stand on your list: status {task} shows them.]",
    T.HOURS_NOTED: "{hours:hours} of {most:hours} hours at most, for which you get {amount_msat:sats}: I have noted it for your next delivery. Say it"
    " again to change it; then: submit {task} LINK SHA256",
    T.PROOF_CHECKING: "I have your work and am checking the file. The answer comes by itself.",
    T.PROOF_MISMATCHED: "Not accepted: the file behind {url:exact} has another sha256.\nYou named: {wanted:exact}\nI found:"
    " {got:exact}\nPut the right file there, or submit again with the right sha256.",
    T.KEY: "The key to the sealed work that you have paid for: {key:exact}\nIts sha256 is the one that was published with the work:"
    " {key_hash:exact}\nThe file: {url:exact}\nsha256 {sha256:exact}\nTo open it: holdfast client open FILE KEY",
    T.KEY_LOST: "The sealed work is paid for, but I no longer have its key: my memory was restored from a backup. Worker: give the key to the"
    " employer yourself. It is the right one when its sha256 is {key_hash:exact}\nThe file: {url:exact}\nsha256 {sha256:exact}",
    T.PROOF_CHANGED: "There is newer work than the one that you have seen; nothing was decided. Look at this one, then decide"
    " again: {url:exact}\nsha256 {sha256:exact} ({check:word}[; {check_reason:word}])[\nNotes: {notes:says}]"
    "[hours? \nIt is about {hours:hours} hours: {amount_msat:sats} for the worker.][key_hash? \nIt is sealed: you can open it only after you have paid.]\napprove {task} or reject {task} REASON",
    T.PROOF_RECEIVED: "Your work has arrived and the employer is told ({check:word}[; {check_reason:word}]).[key_hash? It is sealed; I have the"
    " right key, and give it to him when he has paid.][hours? For {hours:hours} hours you get {amount_msat:sats}.]"
    "[offers_dropped? What was offered to end this no longer stands.] He has time"
    " until {review_until:when}; if he says nothing, [on_silence=approve? it counts as approved]"
    "[on_silence!=approve? it goes to dispute].",
    T.PROOF_ARRIVED: "The work has arrived: {url:exact}\nsha256 {sha256:exact} ({check:word}[; {check_reason:word}])"
    "[\nNotes: {notes:says}][key_hash? \nIt is sealed: you get the key, and can open the file, only when you have paid. Before that, judge by a"
    " preview, or ask for one.][hours? \n{hours:hours} hours, of {most:hours} at most: {amount_msat:sats} for the worker, the rest comes back to"
    " you.][offers_dropped? \nWhat was offered to end this no longer stands.]\nDecide until {review_until:when}: approve {task} or reject {task} REASON\nIf you say nothing,"
    " [on_silence=approve? the work counts as approved][on_silence!=approve? it goes to dispute].",
    T.APPROVED: "Your work is approved: {amount_msat:sats} for you[percent!=100? ({percent} %)].[ They say: {feedback:says}]"
    "[needs_destination? \nSend me an invoice over exactly {amount_msat:sats}: payout {task} INVOICE]"
    "[!needs_destination?\nThe payment to your invoice is on its way.]",
    T.APPROVAL_NOTED: "[silence? The time for your review is over, so the work counts as approved, as agreed.]"
    "[!silence? You have approved the work.] The worker gets {amount_msat:sats}; I tell you when it has arrived.",
    T.REJECTED: "Your work was not accepted[: {reason:says}].[until? You can deliver again until {until:when}: submit {task} LINK"
    " SHA256][!until? It goes to dispute.]",
    T.REJECTION_NOTED: "You have rejected the work.[until? The worker can deliver again until {until:when}; else the money comes"
    " back to you.][!until? It goes to dispute.]",
    T.REVIEW_PROLONGED: "The employer could not be reached, so the review goes on until {until:when}.",
    T.DISPUTE_OPENED: "There is a dispute, [by? opened by {by:who}][!by? because the review ended without a word, as agreed]"
    "[: {reason:says}]. The money is frozen. It ends when the employer approves (approve {task}), when both name the same"
    " share for the worker (cancel {task} PERCENT)[until? , or around {until:when}: then the money goes back to the employer].[custody=ledger_at_end? If"
    " that takes longer than the payment can be held, it goes into my books, as agreed.]",
    T.DISPUTE_ENDED: "It is settled[ {how:word}]: {percent} % of the reward goes to the worker[ ({share_msat:sats})]"
    "[percent=0? , and the money goes back to the employer].",
    T.CANCEL_OFFERED: "{by:who} offers to end this: {percent} % of the reward[ ({share_msat:sats})] to the worker, the rest back"
    " to the employer.[ The reason: {reason:says}.] It happens when the other side says the same: cancel {task} {percent}",
    T.DESTINATION_NEEDED: "I could not pay you {amount_msat:sats}[: {reason:word}]. Send me a new invoice over exactly that:"
    " payout {task} INVOICE[ until {until:when}]",
    T.DESTINATION_NOTED: "I have your invoice over {amount_msat:sats}. You are told when it is paid.",
    T.PAYOUT_FAILED: "Your {amount_msat:sats} did not arrive yet[: {reason:word}]. I keep trying.[fault=theirs? The trouble is"
    " on the side of your wallet: check that it is online and can receive, or send another invoice: payout {task}"
    " INVOICE][fault=ours? The trouble is on my side; there is nothing that you must do.][ I try until {until:when}.]",
    T.PAID_WORKER: "You are paid: {amount_msat:sats} arrived at your wallet.[ Payment hash {payment_hash:exact}]"
    "[\nPreimage {preimage:exact}]",
    T.PAID_EMPLOYER: "[milestone? Milestone {milestone}][!milestone? The task] is done: {amount_msat:sats} are the worker's now.[preimage? Your held {hold_msat:sats} were used;"
    " your proof of payment is the preimage {preimage:exact}][service_fee_msat? \nThe service fee: {service_fee_msat:sats}]",
    T.CHANGE_OWED: "You get {amount_msat:sats} of the held money back: they stand in your account.[payable_msat? Of them {payable_msat:sats}"
    " can be sent to you, the rest is for sending. Send me an invoice: withdraw INVOICE]",
    T.CREDITED: "You are owed {amount_msat:sats}[ ({reason:word})]: they stand in your account.[payable_msat? Of them {payable_msat:sats}"
    " can be sent to you, the rest is for sending. Send me an invoice: withdraw INVOICE]",
    T.WITHDRAWAL_NOTED: "I have your invoice over {amount_msat:sats}, and keep up to {budget_msat:sats} for sending them. You are told when"
    " it is paid. In your account remain {available_msat:sats}.",
    T.WITHDRAWAL_DELAYED: "Your {amount_msat:sats} did not arrive yet[: {reason:word}]. I keep trying[ until {until:when}]; there is"
    " nothing that you must do.",
    T.WITHDRAWAL_FAILED: "Your {amount_msat:sats} could not be sent[: {reason:word}]. They are back in your account: {available_msat:sats}."
    " Check that your wallet is online and can receive, then send another invoice: withdraw INVOICE",
    T.CREDIT_PAID: "You are paid {amount_msat:sats} out of your account[fee_msat? , which cost {fee_msat:sats} of fees on the way]."
    "[ In it remain {available_msat:sats}.][ Payment hash {payment_hash:exact}][\nPreimage {preimage:exact}]",
    T.REFUNDING: "The task ends[: {reason:word}], and the held money goes back to the employer. I tell you when the node has"
    " done it.",
    T.REFUNDED: "The task has ended[: {reason:word}].[amount_msat? The employer has {amount_msat:sats} back.]"
    "[credited? The money does not go back by itself: it stands in the employer's account: withdraw INVOICE]",
    T.EXPIRED: "The task has expired[: {reason:word}].[amount_msat? The employer has {amount_msat:sats} back.]"
    "[credited? The money does not go back by itself: it stands in the employer's account: withdraw INVOICE]"
    "[marked? It leaves a mark on the worker.][unpaid_msat? The {unpaid_msat:sats} of the worker's were not paid, which is on record for the employer.]",
    T.HOLD_LOST: "The held payment of this task is gone, and it was not me who ended it. I make sure that nobody is paid"
    " twice and tell you how it ends; the operator knows.",
    T.STRAY: "A payment of {amount_msat:sats} came for an invoice that was no longer wanted. It goes back at once.",
    T.WARNING: "{what:ahead} {until:when}.[what=deadline? The worker delivers with: submit {task} LINK SHA256][what=resubmit?"
    " The worker delivers with: submit {task} LINK SHA256][what=payment? fund {task} gives you the invoice.][what=review? Decide with: approve {task} or reject {task} REASON]"
    "[on_silence=approve? If the employer says nothing, your work counts as approved.]"
    "[on_silence=dispute? If the employer says nothing, it goes to dispute.]"
    "[what=unbegun? select {task} full begins it, once somebody is hired.][what=unfunded? fund {task} gives you the invoice.][what=next_unfunded? fund {task} gives you the invoice; the work on this"
    " milestone begins when it is paid.][what=next_unpaid? You may leave without a mark: abandon {task}][what=unreachable? The worker names another invoice with: payout {task}"
    " INVOICE; else the money goes back to the employer, with a mark on the worker.]"
    "[what=unreachable_owed? The worker names another invoice with: payout {task} INVOICE; else the money is put to his account.]"
    "[what=hold_end? Block {height} is the last at which the worker can surely be paid.][custody? Then the money goes into my books, as agreed.]",
    T.TASK_FROZEN: "The operator has frozen this task. The money stays where it is and its deadlines stand still; only what must"
    " happen before a held payment runs out goes on. I tell you when the task goes on.",
    T.TASK_UNFROZEN: "The task goes on. All its deadlines have moved by {seconds:span}[; the work must arrive until"
    " {deadline:when}].",
    T.OPERATED: "Done: {action}[ {task}][ {who:npub}].",
    T.INCIDENT: "Something needs the operator's eye[ in task {task}]: {what:word}.",
}


def sentence(code: R | T, facts: Mapping[str, Any], now: int) -> str:
    """What is said for this code. Every missing fact is survived."""
    return fill(SENTENCES[code], facts, now)
