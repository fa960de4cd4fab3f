"""The folds of cross-validation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("sklearn", reason="needs the extra teach")


from earmark.teaching.selection import fold_numbers, parts


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 100), st.integers(20, 60), st.integers(2, 5))
def test_groups_stay_together_and_words_are_spread(seed: int, groups: int, folds: int) -> None:
    generator = np.random.default_rng(seed)
    names = [f"artist {number}" for number in generator.integers(0, groups, 200)]
    has = generator.random((200, 3)) < [0.5, 0.2, 0.06]
    numbers = fold_numbers(names, has, folds, seed)
    assert set(numbers.tolist()) <= set(range(folds))
    for name in set(names):
        assert len({fold for fold, each in zip(numbers.tolist(), names, strict=True) if each == name}) == 1
    rare = len({name for name, there in zip(names, has[:, 2].tolist(), strict=True) if there})
    holding = {fold for fold, there in zip(numbers.tolist(), has[:, 2].tolist(), strict=True) if there}
    assert len(holding) >= min(folds, rare) - 1
    rows = np.concatenate([rest for _, rest in parts(numbers)])
    assert sorted(rows.tolist()) == list(range(200))
