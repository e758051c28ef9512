"""A business day of a city in about four minutes: real processes, real traffic, promises checked."""
