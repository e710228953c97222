"""Pay-off 提前结清: quotes that bind, money that names one, and money that no loan takes (docs/payoff.md)."""
