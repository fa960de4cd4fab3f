"""Run the command `earmark`, also as `python -m earmark`. A signal during the imports ends it without a traceback."""

import os
import signal


def main() -> None:
    """Import the command line and run it. A signal during the imports ends it with status 128 plus its number."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            # Nothing has been written yet, and an exception would appear as an error of the module being imported.
            signal.signal(number, lambda number, _frame: os._exit(128 + number))
    from earmark.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
