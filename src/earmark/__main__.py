"""The command `earmark`, also as `python -m earmark`: quiet when it is interrupted while it is loaded."""

import os
import signal


def main() -> None:
    """Load the command line and run it; a signal that comes before it is loaded ends it with 128 and its number."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            # Nothing was written yet, and an exception would be a library's that is just being loaded.
            signal.signal(number, lambda number, _frame: os._exit(128 + number))
    from earmark.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
