"""Usage × price = charges; a month of them, closed once, is an account's invoice."""
