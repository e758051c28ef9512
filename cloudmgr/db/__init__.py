"""Engine, transactions and exact column types.

Each domain keeps its own tables in its own ``store.py``.
"""
