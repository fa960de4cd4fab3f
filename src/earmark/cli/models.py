"""`earmark models`: which models can be had by name."""

import typer


def models() -> None:
    """List the bundled models; any folder with a trained model can be named with --model as well."""
    from earmark.tagging.bundle import bundle as bundled

    names = bundled.models()
    if not names:
        typer.echo("No model is bundled yet. Train one with: earmark train demo", err=True)
    for name in names:
        card = bundled.read_bundled(name).card
        scales = "+".join(extractor.name for extractor in card.extractors)
        typer.echo(f"{name}\t{len(card.tags)} tags\tscales {scales}\t{card.licence}")
