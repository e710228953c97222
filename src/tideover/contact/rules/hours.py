"""Until when a contact may be made today: the end of the windows that a proposal falls under, in the recipient's local time."""

from __future__ import annotations

from tideover.contact.rules.local_time import DAY, instant_of, local_day, local_second
from tideover.contact.rules.model import Facts, Proposal
from tideover.contact.rules.policy import Policy


def open_until(policy: Policy, facts: Facts, p: Proposal) -> int | None:
    """The instant (seconds since 1970 UTC) at which the hours of this contact end today; None outside them.

    Where no window speaks of it, the end of the local day; earlier where the person asked not to be reached from a minute on.
    """
    day, second = local_day(facts.zone, p.at), local_second(facts.zone, p.at)
    closes = DAY
    for window in policy.windows:
        lifted = window.lifted_by_agreement and facts.agreed_hours
        if window.scope.covers(p.channel, p.purpose, p.recipient) and policy.window_on(window, day) and not lifted:
            if not window.opens * 60 <= second < window.closes * 60 + window.closes_included:
                return None
            closes = min(closes, window.closes * 60)
    closes = min([closes, *(start * 60 for start, _ in facts.inconvenient if start * 60 > second)])
    return instant_of(facts.zone, day, closes)
