"""Seconds as a person reads them."""


def clock(seconds: float) -> str:
    """Such as 0:07, 12:30 or 1:02:03; whole seconds, rounded down, as a clock shows them."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
