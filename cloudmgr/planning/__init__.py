"""Which pool takes which environment, and what there is room for."""
