"""The command-line interface `earmark`."""
