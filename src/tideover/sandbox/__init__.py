"""Outside parties as processes of their own: they know wire formats and nothing of the house."""
