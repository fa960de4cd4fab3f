"""The page and the HTTP API: `earmark serve` (extra: serve)."""
