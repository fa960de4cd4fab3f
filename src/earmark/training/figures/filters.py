"""The filters of sample-level networks, layer by layer, in order of their centre frequencies (the papers' analysis)."""

from typing import TYPE_CHECKING

from earmark.errors import TrainingError
from earmark.plots import style
from earmark.tagging.bundle.bundle import read_bundle
from earmark.training.figures.measured import MeasuredRun

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from earmark.training.networks.filter_spectra import FilterSpectra

_LAYERS_SHOWN = 6
_COLUMNS = 3
_FLOOR_DECIBELS = -40.0


def draw_filters(run: MeasuredRun, scale: int) -> "Figure":
    """Draw the spectrum that every filter of a trained raw scale answers most to, one panel for each layer.

    The network is that of the run's model, as `earmark train` writes it.

    Raises:
        TrainingError: the run has no model, or a model without that scale.
        BundleError: the model is damaged.
    """
    folder = run.folder / "model"
    if not folder.is_dir():
        raise TrainingError(
            f"the run has no model in {folder}, whose filters could be drawn. Train it: earmark train, with the recipe "
            f"of {run.recipe.name}."
        )
    bundle = read_bundle(folder)
    extractors = [extractor for extractor in bundle.card.extractors if extractor.name == str(scale)]
    if not extractors:
        names = ", ".join(extractor.name for extractor in bundle.card.extractors)
        raise TrainingError(f"the model in {folder} has the scales {names}, not {scale}. Train the recipe again.")
    # Imported here, since it loads torch, which no other figure needs.
    from earmark.training.networks.filter_spectra import filter_spectra

    spectra = filter_spectra(extractors[0], bundle.weights)[:_LAYERS_SHOWN]
    layers = [layer for layer in spectra if len(layer.magnitudes)]
    lines = -(-len(layers) // _COLUMNS)
    figure = style.new_figure(
        style.PAGE_INCHES,
        0.25 + 1.75 * lines,
        "L1: the spectrum of the filters' own taps. Others: that, smoothed, of a noise after gradient ascent to what a "
        "filter answers most to; filters that do not answer to the noise are left out. A filter a column, by the "
        "frequency where it is highest (line); decibels below its highest."
        f"\n{run.footer}",
    )
    panels = figure.subplots(lines, _COLUMNS, squeeze=False).ravel()
    for panel, layer in zip(panels, layers, strict=False):
        image = _draw_layer(panel, layer)
    for panel in panels[len(layers) :]:
        panel.set_axis_off()
    bar = figure.colorbar(image, ax=list(panels), fraction=0.02, pad=0.01)
    bar.set_label("decibels")
    bar.outline.set_visible(False)
    figure.suptitle(
        f"Filters by centre frequency, {scale} samples",
        x=0.01,
        ha="left",
        fontsize=style.TEXT_POINTS,
        fontweight="bold",
    )
    return figure


def _draw_layer(axes: "Axes", layer: "FilterSpectra") -> "AxesImage":
    """Draw one layer as a picture: filters from left to right, frequency from below."""
    import numpy as np

    decibels = 20.0 * np.log10(np.maximum(layer.magnitudes, 10.0 ** (_FLOOR_DECIBELS / 20.0)))
    count = len(layer.magnitudes)
    image = axes.imshow(
        decibels.T,
        origin="lower",
        aspect="auto",
        cmap="cividis",
        vmin=_FLOOR_DECIBELS,
        vmax=0.0,
        interpolation="nearest",
        extent=(0.5, count + 0.5, 0.0, layer.frequencies_hz[-1] / 1000.0),
    )
    axes.plot(np.arange(1, count + 1), layer.centres_hz / 1000.0, color=style.VERMILION, linewidth=0.8)
    axes.set_title(f"L{layer.level}" + (f", {layer.silent} of {count + layer.silent} silent" if layer.silent else ""))
    axes.set_xlabel("filter")
    axes.set_ylabel("kHz")
    return image
