"""Until when a contact may be made today: the end of the windows that a proposal falls under, in the recipient's local time."""

from __future__ import annotations

from tideover.contact.rules.local_time import DAY, instant_of, local_day, local_second
from tideover.contact.rules.model import Channel, Purpose, Recipient, Zone
from tideover.contact.rules.policy import Policy


def open_until(
    policy: Policy, zone: Zone, at: int, channel: Channel, purpose: Purpose, recipient: Recipient = Recipient.DEBTOR
) -> int | None:
    """The instant (seconds since 1970 UTC) at which the lawful hours of this kind of contact end today; None outside them.

    Where no window speaks of it, the end of the local day. What the person agreed to or asked for is not looked at: the gate is
    asked again before each call.
    """
    day, second = local_day(zone, at), local_second(zone, at)
    closes = DAY
    for window in policy.windows:
        if window.scope.covers(channel, purpose, recipient):
            if not window.opens * 60 <= second < window.closes * 60 + window.closes_included:
                return None
            closes = min(closes, window.closes * 60)
    return instant_of(zone, day, closes)
