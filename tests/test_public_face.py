import inspect

import pytest

import earmark

PUBLIC = {
    "EarmarkError",
    "Evidence",
    "Library",
    "OverTime",
    "OverTimeSettings",
    "Prediction",
    "Tag",
    "Tagger",
    "Waveform",
    "__version__",
    "load",
    "models",
}


def test_the_public_names_are_the_documented_ones() -> None:
    assert set(earmark.__all__) == PUBLIC
    assert list(earmark.__all__) == sorted(earmark.__all__)
    assert set(earmark._HOMES) == PUBLIC - {"EarmarkError", "__version__"}, "each name has a home, and no other"


@pytest.mark.parametrize("name", sorted(PUBLIC - {"__version__"}))
def test_public_names_are_documented_and_at_home(name: str) -> None:
    value = getattr(earmark, name)
    assert inspect.getdoc(value)
    assert value.__name__ == name
    assert value.__module__ == earmark._HOMES.get(name, "earmark.errors")


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        ("Tagger", {"tag", "tag_many", "embed", "hidden", "card", "labels"}),
        (
            "Prediction",
            {
                *("scores", "probabilities", "calibrated", "labels", "top", "promised", "evidence", "silent"),
                *("to_dict", "to_records", "to_classification", "to_json", "csv_header", "csv_row"),
            },
        ),
        ("OverTime", {"to_dict"}),
        ("Evidence", {"to_dict"}),
        (
            "Library",
            {
                *(
                    "add",
                    "verify",
                    "failures",
                    "track",
                    "knows",
                    "over_time",
                    "left_out",
                    "search",
                    "similar",
                    "playlist",
                    "course",
                    "remove",
                    "stats",
                ),
                *("map", "map_document", "export_to", "import_from", "close"),
            },
        ),
    ],
)
def test_public_members_are_the_documented_ones(owner: str, names: set[str]) -> None:
    members = vars(getattr(earmark, owner))
    public = {
        name
        for name, value in members.items()
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property))
    }
    assert public == names
    for name in names:
        assert inspect.getdoc(members[name]), f"{owner}.{name} has no docstring"


def test_the_signatures_are_the_documented_ones() -> None:
    assert str(inspect.signature(earmark.load)).startswith("(model: ")
    assert list(inspect.signature(earmark.load).parameters) == ["model", "engine"]
    assert list(inspect.signature(earmark.Tagger.tag).parameters) == [
        *("self", "source", "over_time", "keep_features", "read_ahead", "stopwatch", "on_block"),
    ]
    assert list(inspect.signature(earmark.Tagger.tag_many).parameters) == [
        *("self", "paths", "jobs", "on_error", "progress", "over_time", "keep_features", "limits"),
    ]
    assert list(inspect.signature(earmark.OverTimeSettings).parameters) == ["window_seconds", "hop_seconds"]


def test_every_error_is_an_earmark_error() -> None:
    from earmark import errors

    classes = [value for value in vars(errors).values() if inspect.isclass(value)]
    assert len(classes) >= 10
    assert all(issubclass(value, earmark.EarmarkError) for value in classes)
    for value in classes:
        assert value.__name__ in (errors.__doc__ or ""), f"{value.__name__} is not in the tree at the top"
