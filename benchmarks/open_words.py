"""How often words that are no tags lead to tags that a listener would accept: python benchmarks/open_words.py.

Reads the searches in open_words.toml, which were written before anything was measured, and prints for each vocabulary
the share of searches with an accepted tag among the nearest three, the share of accepted tags among all that were
found, and what random tags would give. --all prints every search.
"""

import argparse
import tomllib
from math import comb
from pathlib import Path

from earmark.library.word_vectors import NEAREST_TAGS, TagVectors, load_word_vectors
from earmark.tagging.bundle.card import TagName

HERE = Path(__file__).parent
VOCABULARIES = HERE.parent / "vocabularies"


def main() -> None:
    """Search, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="print every search")
    options = parser.parse_args()
    accepted = tomllib.loads((HERE / "open_words.toml").read_text(encoding="utf-8"))["accepted"]
    words = load_word_vectors()
    print("| vocabulary | tags | searches with an accepted tag | accepted among those found | of random tags |")
    print("|---|---|---|---|---|")
    for path in sorted(VOCABULARIES.glob("*.toml")):
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["tags"]
        tags = [TagName(each["label"], each["group"], tuple(each.get("synonyms", ()))) for each in entries]
        labels = {tag.label for tag in tags}
        vectors = TagVectors(words, tags)
        hits, right, found_tags, chance = 0, 0, 0, 0.0
        for text, wanted in accepted.items():
            found = [tags[place].label for place in vectors.nearest(text)]
            fitting = labels & set(wanted)
            hits += bool(fitting & set(found))
            right += len(fitting & set(found))
            found_tags += len(found)
            chance += 1 - comb(len(labels) - len(fitting), NEAREST_TAGS) / comb(len(labels), NEAREST_TAGS)
            if options.all:
                print(
                    f"{path.stem}: {text}: {', '.join(found) or 'nothing'}{'' if fitting & set(found) else '  (wrong)'}"
                )
        count = len(accepted)
        print(f"| {path.stem} | {len(tags)} | {hits} of {count} | {right / found_tags:.2f} | {chance:.1f} of {count} |")


if __name__ == "__main__":
    main()
