"""Load datasets; every module of a dataset has the same parts in the same order.

The parts are NAME, LICENCE, CITATION, LAYOUT, `load` and `check`.
"""
