"""The checks of a card beyond its types: dimensions that fit together, unique names, one rate."""

import re
from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from earmark.audio.logmel import mel_filters
from earmark.errors import BundleError, WaveformError
from earmark.file_name import folded
from earmark.tagging.bundle.card import Card, Extractor, TagCalibration, TagName, layout_of
from earmark.tagging.bundle.coherence import self_excluding

_NAME = re.compile(r"[A-Za-z0-9_-]+")


def check_card(card: Card, place: str) -> None:
    """Raise BundleError where a card describes no working model.

    The message begins with `place` (a file's name) and says what was found, what was expected and what to do.
    """
    if not card.extractors:
        raise _refusal(place, "extractors", "none", "at least one")
    _refuse_repeats([extractor.name for extractor in card.extractors], place, "extractors: names")
    for extractor in card.extractors:
        _check_extractor(extractor, place)
    rates = sorted({extractor.rate_hz for extractor in card.extractors})
    if len(rates) > 1:
        raise BundleError(
            f"{place}: found extractors at {' and '.join(f'{rate} Hz' for rate in rates)}, expected one rate: a "
            "sound is decoded once, as a stream. Train all extractors at one rate, or export a bundle for each."
        )
    if not card.tags:
        raise _refusal(place, "tags", "none", "at least one")
    _refuse_repeats(card.labels, place, "tags: labels")
    _check_relations(card.tags, place)
    for units in card.head.hidden_units:
        _refuse_below(1, units, place, "head.hidden_units")
    expected = layout_of(card.extractors)
    if card.layout != expected:
        differing = [
            f"found {found}, expected {wanted}"
            for found, wanted in zip(card.layout, expected, strict=False)
            if found != wanted
        ]
        detail = differing[0] if differing else f"found {len(card.layout)} blocks, expected {len(expected)}"
        raise BundleError(
            f"{place}: layout: this is not the layout of the card's extractors: {detail}. Export the model again."
        )
    if card.calibration and tuple(entry.label for entry in card.calibration) != card.labels:
        raise _refusal(
            place,
            "calibration: labels",
            ", ".join(entry.label for entry in card.calibration),
            f"those of the tags in their order ({', '.join(card.labels)}) or an empty list",
        )
    for entry in card.calibration:
        _check_calibration(entry, f"{place}: calibration of {entry.label!r}")
    if card.familiarity is not None:
        _refuse_below(0, card.familiarity.axes, place, "familiarity.axes")
        _refuse_below(1, card.familiarity.tracks, place, "familiarity.tracks")
        for threshold in (card.familiarity.threshold, card.familiarity.window_threshold):
            if threshold is not None and not threshold > 0:
                raise _refusal(place, "familiarity: thresholds", threshold, "distances above 0")
        if not 0 < card.familiarity.quantile <= 1:
            raise _refusal(place, "familiarity.quantile", card.familiarity.quantile, "a share above 0 and up to 1")


def layer_lengths(extractor: Extractor, place: str = "the card") -> tuple[int, ...]:
    """Return the number of rows that enter every convolution, and last the number that leave the last pool.

    Raises BundleError where a stride or a pool does not tile its input exactly: those of the letter and of the raw
    family do (method.md sections 3 and 5), and a level's maximum, which is read after the pool, depends on it.
    """
    lengths = [extractor.segment_length]
    for number, convolution in enumerate(extractor.convolutions, start=1):
        rows, rest = divmod(lengths[-1], convolution.stride)
        pooled, rest_of_pool = divmod(rows, convolution.pool_length)
        if rest or rest_of_pool:
            raise BundleError(
                f"{place}: extractor {extractor.name!r}: convolution {number}: found {lengths[-1]} rows, expected a "
                f"multiple of its stride times its pool, {convolution.stride * convolution.pool_length}. "
                "Choose a segment length that the strides and pools tile exactly."
            )
        lengths.append(pooled)
    return tuple(lengths)


def _check_extractor(extractor: Extractor, card_place: str) -> None:
    place = f"{card_place}: extractor {extractor.name!r}"
    if not _NAME.fullmatch(extractor.name):
        raise _refusal(place, "name", repr(extractor.name), 'letters, digits, "-" and "_"')
    _refuse_below(1, extractor.rate_hz, place, "rate_hz")
    if (extractor.log_mel is not None) != (extractor.family == "log-mel"):
        found = "null" if extractor.log_mel is None else "settings"
        expected = "settings" if extractor.family == "log-mel" else "null"
        raise _refusal(place, "log_mel", found, f"{expected} in the family {extractor.family!r}")
    if extractor.log_mel is not None and extractor.log_mel.rate_hz != extractor.rate_hz:
        raise _refusal(place, "log_mel.rate_hz", extractor.log_mel.rate_hz, f"rate_hz, {extractor.rate_hz}")
    if extractor.log_mel is not None:
        try:
            mel_filters(extractor.log_mel)
        except WaveformError as error:
            raise BundleError(f"{place}: log_mel: {error}") from error
    _refuse_below(1, extractor.segment_length, place, "segment_length")
    _refuse_below(1, extractor.segment_hop, place, "segment_hop")
    if not extractor.input_deviation > 0:
        raise _refusal(place, "input_deviation", extractor.input_deviation, "a number above 0")
    if not extractor.convolutions:
        raise _refusal(place, "convolutions", "none", "at least one")
    for number, convolution in enumerate(extractor.convolutions, start=1):
        where = f"{place}: convolution {number}"
        for name in ("filter_length", "channels", "pool_length", "stride"):
            _refuse_below(1, getattr(convolution, name), where, name)
        if convolution.stride not in (1, convolution.filter_length):
            raise _refusal(where, "stride", convolution.stride, f"1 or filter_length, {convolution.filter_length}")
        _refuse_below(0, convolution.squeeze_units, where, "squeeze_units")
        if convolution.residual_convolutions not in (0, 1, 2):
            raise _refusal(where, "residual_convolutions", convolution.residual_convolutions, "0, 1 or 2")
        if convolution.residual_convolutions and convolution.stride != 1:
            raise _refusal(where, "stride", convolution.stride, "1, as its input is added to its output")
    layer_lengths(extractor, card_place)
    levels = extractor.levels
    if (
        not levels
        or list(levels) != sorted(set(levels))
        or not 1 <= levels[0] <= levels[-1] <= len(extractor.convolutions)
    ):
        raise _refusal(
            place, "levels", list(levels), f"ascending numbers from 1 to {len(extractor.convolutions)}, at least one"
        )
    _refuse_below(0, extractor.hidden_units, place, "hidden_units")
    _refuse_repeats(extractor.output_tags, place, "output_tags")
    if not extractor.output_tags and extractor.hidden_units:
        raise _refusal(place, "hidden_units", extractor.hidden_units, "0, since there are no output_tags")


def _check_relations(tags: Sequence[TagName], place: str) -> None:
    words = [(folded(word), tag.label) for tag in tags for word in tag.synonyms]
    words += [(folded(tag.label), tag.label) for tag in tags if any(tag.synonyms for tag in tags)]
    _refuse_repeats([word for word, _ in words], place, "tags: labels and synonyms")
    labels = {tag.label for tag in tags}
    for tag in tags:
        for kind, others in (("parents", tag.parents), ("opposites", tag.opposites)):
            _refuse_repeats(others, place, f"tag {tag.label!r}: {kind}")
            for other in others:
                if other not in labels:
                    raise _refusal(place, f"tag {tag.label!r}: {kind}", repr(other), "labels of the card's tags")
    try:
        TopologicalSorter({tag.label: tag.parents for tag in tags}).prepare()
    except CycleError as error:
        circle = " implies ".join(error.args[1][::-1])
        raise _refusal(place, "tags: parents", f"a circle, {circle}", "no tag that implies itself") from error
    if excluded := self_excluding(tags):
        raise _refusal(place, "tags: opposites", f"that {excluded[0]!r} implies what it excludes", "no tag that does")


def _check_calibration(entry: TagCalibration, place: str) -> None:
    for precision, threshold in entry.thresholds.items():
        try:
            promised = float(precision)
        except ValueError:
            promised = -1.0
        if not 0 < promised <= 1:
            raise _refusal(place, "thresholds", f"the key {precision!r}", 'a precision above 0 and up to 1, as "0.9"')
        if not 0 <= threshold <= 1:
            raise _refusal(place, f"thresholds.{precision}", threshold, "a probability from 0 to 1")
    _refuse_below(0, entry.tracks, place, "tracks")
    best = entry.best_f1_probability
    if best is not None and not 0 <= best <= 1:
        raise _refusal(place, "best_f1_probability", best, "a probability from 0 to 1, or null")


def _refuse_below(least: int, value: int, place: str, name: str) -> None:
    if value < least:
        raise _refusal(place, name, value, f"a whole number of at least {least}")


def _refuse_repeats(names: Sequence[str], place: str, what: str) -> None:
    repeated = sorted({name for name in names if list(names).count(name) > 1})
    if repeated or "" in names:
        found = f"{', '.join(repeated)} more than once" if repeated else "an empty one"
        raise _refusal(place, what, found, "each once and none empty")


def _refusal(place: str, what: str, found: object, expected: object) -> BundleError:
    return BundleError(f"{place}: {what}: found {found}, expected {expected}. Export the model again.")
