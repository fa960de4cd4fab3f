"""A package, as tests/tagging has modules of the same names."""
