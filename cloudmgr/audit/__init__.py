"""Who did: what was done to what, by whom, in which request. Only ever appended to."""
