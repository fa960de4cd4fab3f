"""What can be wrong with a question about the library."""

from earmark.web.problem import Problem


def no_library() -> Problem:
    """A question about a library where there is none."""
    return Problem(
        "no-library",
        404,
        "There is no library",
        "No library was given to this server.",
        "Start it with one: earmark serve --library FILE",
    )


def empty_library() -> Problem:
    """A library that nothing was added to."""
    return Problem(
        "empty-library",
        404,
        "The library is empty",
        "Nothing was added to the library yet.",
        "Add some music: earmark library add FOLDER",
    )


def library_unusable() -> Problem:
    """A library that cannot be read."""
    return Problem(
        "library-unusable",
        503,
        "The library cannot be used",
        "The library could not be read just now.",
        "Tell who runs the server: its log says why. Then try again.",
    )


def unknown_number(number: int, tracks: int) -> Problem:
    """A number that no track of the library has."""
    return Problem(
        "unknown-number",
        404,
        "There is no such track in the library",
        f"Found the number {number}, expected that of one of the library's {tracks} tracks.",
        "Take the number from a search.",
    )


def wrong_query(detail: str, position: int) -> Problem:
    """A search that is not written correctly."""
    return Problem(
        "wrong-search",
        422,
        "The search cannot be understood",
        detail,
        "Write tags joined by AND, OR and NOT, such as: piano AND NOT vocals AND guitar>0.6",
        {"position": position},
    )


def path_in_query() -> Problem:
    """A search for paths, which are nobody's business but the machine's own."""
    return Problem(
        "path-in-search",
        422,
        "Paths cannot be searched for here",
        "Found path: or folder: in the search, expected tags alone.",
        "Search for tags; for paths use `earmark library search` on the machine itself.",
    )


def other_model(own: str, theirs: str) -> Problem:
    """Vectors that cannot be compared."""
    return Problem(
        "other-model",
        409,
        "The library was heard by another model",
        f"The tracks of the library were heard by {theirs!r}, this server listens with {own!r}: their vectors cannot "
        "be compared.",
        "Add the library's music again with this model, or start the server with the library's (--model).",
    )
