"""Bank statements: files and webhooks of banks, each line recognised once and made exactly one thing, and a desk for the rest."""
