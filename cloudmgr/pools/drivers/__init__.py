"""One driver for each kind of pool, behind one Protocol; drivers do not know each other."""
