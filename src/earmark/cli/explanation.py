"""Evidence as a person reads it: a small table of scales and levels, and a line over time."""

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earmark.tagging.evidence import Evidence

_BARS = "▁▂▃▄▅▆▇█"
_WIDEST = 60
"""Characters of the line over time."""


def explanation_lines(evidence: "Evidence", duration_seconds: float) -> list[str]:
    """Say why a track got a tag: what each level of each scale adds, then when the tag sounds."""
    levels = sorted({part.level for part in evidence.parts})
    scales = list(dict.fromkeys(part.extractor for part in evidence.parts))
    added = {(part.extractor, part.level): part.contribution for part in evidence.parts}
    width = max(5, *(len(scale) for scale in scales))
    exactness = "" if evidence.exact else f" (drawn; to ±{max(part.error for part in evidence.parts):.2f})"
    lines = [
        f"why {evidence.label}: its log odds are {evidence.base:+.2f} when nothing is known of a track, "
        f"{evidence.log_odds:+.2f} here; the difference, by scale and level{exactness}:",
        f"  {'scale':{width}}  " + "  ".join(f"{f'L{level}':>6}" for level in levels),
    ]
    for scale in scales:
        cells = [f"{added[scale, level]:+6.2f}" if (scale, level) in added else " " * 6 for level in levels]
        lines.append(f"  {scale:{width}}  {'  '.join(cells)}".rstrip())
    stretches = ", ".join(f"{_clock(start)} to {_clock(end)}" for start, end in evidence.strongest)
    low, high = float(evidence.curve.min()), float(evidence.curve.max())
    return [
        *lines,
        f"  strongest {stretches}",
        f"  0:00 {_line(evidence)} {_clock(duration_seconds)}  from {low:.2f} to {high:.2f}",
    ]


def _line(evidence: "Evidence") -> str:
    """The curve as bars from 0 to 1, thinned by its highest values where it is long."""
    curve = evidence.curve
    columns = min(len(curve), _WIDEST)
    edges = [column * len(curve) // columns for column in range(columns + 1)]
    heights = [float(curve[first:last].max()) for first, last in itertools.pairwise(edges)]
    return "".join(_BARS[min(len(_BARS) - 1, int(height * len(_BARS)))] for height in heights)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
