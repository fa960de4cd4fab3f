"""Read recipes: an experiment as one TOML file.

recipe            the recipe, and how it is read
sections          its sections, each with its keys, types and defaults
"""
