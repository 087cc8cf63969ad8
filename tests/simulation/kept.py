"""Cities that run on every occasion: (seed, lives, script or ''). A seed that breaks a rule is added here, with what it had found."""

from __future__ import annotations

KEPT: tuple[tuple[int, int, str], ...] = (
    (
        1,
        60,
        "",
    ),  # a moment that counted a second of deafness more than the outage had: a deadline passed a second early
    (9, 100, ""),  # a hold that was lost while the node told old news, and a payout on it: no daemon can know
    (12, 100, ""),  # a hold lost before the claim
    (2, 60, ""),  # a late heartbeat ended an outage before an entry of the log that knew nothing of it
    (2, 100, ""),  # frozen while a silence became deafness: the verifier took the clock that fell back for a lie
    (
        141405231,
        100,
        "",
    ),  # the same after an approval: a day from when the worker was told seemed to be less than a day
    (
        839045971,
        100,
        "",
    ),  # few hours of work, for which a deposit had more than enough: the verifier reckoned the rest otherwise
    (
        913533509,
        100,
        "",
    ),  # a proof heard right before a crash, and opened behind what came after it: the verifier took it for dated back
)
