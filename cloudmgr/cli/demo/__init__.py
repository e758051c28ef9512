"""A city's business day in about four minutes: real processes, real traffic, promises checked."""
