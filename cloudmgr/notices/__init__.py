"""What people are told without asking: refused, at risk, ready, missed."""
