"""Define one style for all figures: sizes, fonts, palettes and marks that also work in grey and for the colour-blind.

Whatever differs in colour also differs in its mark. Ordered things, such as levels and scales, use cividis from dark to
light, which keeps their order in grey. Contrasting things use Okabe and Ito's colours.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earmark.errors import MissingExtraError, PictureError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN_INCHES = 3.5
"""The width of a printed column."""
PAGE_INCHES = 7.16
"""The width of a printed page of two columns."""

TEXT_POINTS = 7.5
SMALL_POINTS = 6.5
FOOTER_POINTS = 5.5

INK = "#1a1a1a"
QUIET = "#6b6b6b"
FAINT = "#d9d9d9"
GROUND = "#f3f3f3"
BLUE = "#0072b2"
ORANGE = "#e69f00"
VERMILION = "#d55e00"

_MARKERS = ("o", "s", "^", "v", "D", "P", "X", "<", ">", "h")
_FORMATS_OF_METADATA = {"svg": "Date", "pdf": "CreationDate"}


@dataclass(frozen=True)
class Mark:
    """The colour and the marker that one of several things has in every figure."""

    colour: str
    marker: str


ALL = Mark(VERMILION, "*")
"""The mark of what stands out: everything combined, or the best."""
LOCAL = Mark(ORANGE, "o")
GLOBAL = Mark(BLUE, "s")


def refuse_picture(path: Path) -> None:
    """Check, before anything is drawn, that `save_figure` can write this file.

    Raises:
        MissingExtraError: matplotlib is not installed.
        PictureError: the file's ending is not a picture format, or its folder does not exist.
    """
    with house():
        from matplotlib.backend_bases import FigureCanvasBase

        formats = FigureCanvasBase.get_supported_filetypes()
    if path.suffix.lower().removeprefix(".") not in formats:
        raise PictureError(str(path), f"its name has to end in one of {', '.join(f'.{name}' for name in formats)}.")
    if not path.absolute().parent.is_dir():
        raise PictureError(str(path), "its folder is not there; make it, or name another.")


def ordered_marks(count: int) -> tuple[Mark, ...]:
    """Return `count` marks from dark to light; the lightest is still visible on white."""
    from matplotlib import colormaps, colors

    palette = colormaps["cividis"]
    places = [0.9 * place / max(count - 1, 1) for place in range(count)]
    return tuple(
        Mark(colors.to_hex(palette(place)), _MARKERS[number % len(_MARKERS)]) for number, place in enumerate(places)
    )


def ink_on(colour: str) -> str:
    """Return black or white, whichever is easier to read on a colour."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "#ffffff"


@contextmanager
def house() -> Iterator[None]:
    """Apply the style within a `with` block and restore matplotlib's settings afterwards.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib
        import matplotlib.figure
    except ImportError as error:
        raise MissingExtraError("Drawing", "plot", error.name or "matplotlib") from error
    settings: Any = {
        "font.family": "DejaVu Sans",
        "font.size": TEXT_POINTS,
        "axes.titlesize": TEXT_POINTS,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.labelsize": TEXT_POINTS,
        "axes.edgecolor": QUIET,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": FAINT,
        "grid.linewidth": 0.5,
        "xtick.labelsize": SMALL_POINTS,
        "ytick.labelsize": SMALL_POINTS,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "lines.linewidth": 1.1,
        "lines.markersize": 4.5,
        "legend.fontsize": SMALL_POINTS,
        "legend.frameon": False,
        "savefig.dpi": 300,
        # Tags may contain dollar signs. SVG text is drawn as shapes because the viewer may lack the font. With a fixed
        # salt the same figure gives the same bytes.
        "text.parse_math": False,
        "svg.fonttype": "path",
        "svg.hashsalt": "earmark",
        "pdf.fonttype": 42,
    }
    with matplotlib.rc_context(settings):
        yield


def new_figure(width_inches: float, height_inches: float, footer: str = "") -> "Figure":
    """Return an empty figure of the given size, extended below by the lines of the footer. Call it inside `house`."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    lines = _footer_lines(footer, width_inches)
    footer_inches = len(lines) * FOOTER_POINTS * 1.3 / 72 + (0.1 if lines else 0.0)
    whole_inches = height_inches + footer_inches
    share = footer_inches / whole_inches
    layout = ConstrainedLayoutEngine(rect=(0.0, share, 1.0, 1.0 - share), w_pad=0.04, h_pad=0.04)
    figure = Figure(figsize=(width_inches, whole_inches), layout=layout)
    if lines:
        figure.text(
            0.06 / width_inches,
            0.05 / whole_inches,
            "\n".join(lines),
            fontsize=FOOTER_POINTS,
            color=QUIET,
            va="bottom",
            linespacing=1.3,
        )
    return figure


def drawing_area(figure: "Figure", width_inches: float, height_inches: float) -> "Axes":
    """Return a drawing area above the footer, without visible axes, in inches from its lower left corner."""
    whole_inches = float(figure.get_figheight())
    figure.set_layout_engine("none")
    axes = figure.add_axes((0.0, 1.0 - height_inches / whole_inches, 1.0, height_inches / whole_inches))
    axes.set_xlim(0, width_inches)
    axes.set_ylim(0, height_inches)
    axes.set_axis_off()
    return axes


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure in the format that the file's ending names. Call it inside `house`.

    The same figure always gives the same bytes.

    Raises:
        PictureError: the file cannot be written.
    """
    refuse_picture(path)
    stamp = _FORMATS_OF_METADATA.get(path.suffix.lower().removeprefix("."))
    try:
        figure.savefig(path, metadata={stamp: None} if stamp else {})
    except OSError as error:
        raise PictureError(str(path), f"{error.strerror or error}; name another place.") from error


def _footer_lines(footer: str, width_inches: float) -> list[str]:
    """Break the footer at spaces into lines that fit the figure's width in print."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font, room_points = FontProperties(size=FOOTER_POINTS), (width_inches - 0.12) * 72
    lines = []
    for paragraph in footer.splitlines():
        line, *words = paragraph.split(" ")
        for word in words:
            longer = f"{line} {word}"
            if text_to_path.get_text_width_height_descent(longer, font, ismath=False)[0] > room_points:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return lines
