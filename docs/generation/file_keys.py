"""The keys and columns of the other files that a person writes: the mapping, the vocabulary, the labels."""

import dataclasses
import typing

from earmark.library import mapping
from earmark.teaching import examples
from earmark.training.datasets import vocabulary
from generation.kinds import kind
from generation.markdown import page, table
from generation.meanings import meanings

MAPPING_VALUES = {
    "only": "list of texts",
    "most": "whole number, from 1",
    "groups": "table of texts",
    "tags": "table: a text, a list of texts, or a table with `field` and `words`",
    "parents": "table of texts",
}
MAPPING_MEANINGS = {"only": "These tags alone; without it all that have a field."}
"""Where the file says it in other words than the code."""
MAPPING_FURTHER = {
    "tags.TAG.field": ("text", "The field that this tag goes to; without it that of the tag's group."),
    "tags.TAG.words": ("text or list of texts", "What is written; without it the tag itself. An empty list: nothing."),
}
VOCABULARY_MEANINGS = {
    "name": "Of the vocabulary, which a model's provenance names.",
    "tags": "A table a tag, `[[tags]]`, in the order of the model's outputs.",
    "families": "By a name that may stand among the sources of tags, the teachers that have its labels.",
    "denials": "By source and label the tags that the label denies: what was published as classical is no jazz.",
    "left_out": "What was left out, each with the reason; for readers only.",
    "label": "What the tag is called.",
    "group": "The group that it belongs to, such as `instruments`.",
    "sources": "By source, a teacher's name, a family's or `listeners`, the labels that mean this tag; those of one "
    "source are synonyms.",
    "synonyms": "Other words that a person may use for the tag.",
    "parents": "Tags that it implies, as opera implies vocals. No tag may imply itself, over any others.",
    "opposites": "Tags that it excludes, as instrumental excludes vocals.",
}
LABEL_MEANINGS = {
    "path": "The sound file, absolute or relative to the folder of the CSV.",
    "tags": "Its words, separated by `;`. An empty cell says that it has none of them.",
    "group": "What is never divided when quality is measured; without it the folder.",
    "artist": "The same, under another name.",
}


def file_keys_page() -> str:
    """The page of all these files."""
    return page(
        "Keys of other files",
        "## The mapping of `earmark library write --mapping`",
        "A TOML file ([how to write one](../how-to/writing-tags.md)). Unknown keys are refused.",
        table(["key", "meaning", "value", "default"], _mapping_rows()),
        "Groups that have a field without a mapping: "
        + ", ".join(f"`{group}` (`{field}`)" for group, field in mapping.USUAL_GROUPS.items())
        + ".",
        "## The labels of `earmark teach`",
        "A CSV in UTF-8 with a header ([how to make one](../how-to/teaching.md)). Other columns are passed over.",
        table(["column", "meaning"], [(f"`{name}`", LABEL_MEANINGS[name]) for name in label_columns()]),
        "## The vocabulary of a bundled model",
        "A TOML file, such as `vocabularies/earmark-1.toml`, that the dataset [`taught`](datasets.md#taught) reads. "
        "Unknown keys are refused.",
        table(["key", "meaning", "value"], _vocabulary_rows()),
    )


def mapping_keys() -> list[str]:
    """The keys of a mapping."""
    return [field.name for field in dataclasses.fields(mapping.TagMapping)]


def vocabulary_keys() -> list[str]:
    """The keys of a vocabulary, and of each of its tags."""
    return [*vocabulary.Vocabulary.model_fields, *vocabulary.VocabularyTag.model_fields]


def label_columns() -> tuple[str, ...]:
    """The columns of a CSV of labels."""
    return (*examples.COLUMNS, *examples.GROUP_COLUMNS)


def _mapping_rows() -> list[tuple[str, ...]]:
    told = {**meanings(mapping.TagMapping, mapping_keys()), **MAPPING_MEANINGS}
    defaults = {"most": f"`{mapping.MOST_WORDS}`"}
    rows: list[tuple[str, ...]] = [
        (f"`{key}`", told[key], MAPPING_VALUES[key], defaults.get(key, "")) for key in mapping_keys()
    ]
    return rows + [(f"`{key}`", meaning, value, "") for key, (value, meaning) in MAPPING_FURTHER.items()]


def _vocabulary_rows() -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for owner, before in ((vocabulary.Vocabulary, ""), (vocabulary.VocabularyTag, "tags.")):
        hints = typing.get_type_hints(owner)
        for key in owner.model_fields:
            words = "list of tables" if key == "tags" else kind(hints[key])
            rows.append((f"`{before}{key}`", VOCABULARY_MEANINGS[key], words))
    return rows
