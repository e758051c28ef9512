"""What pools cost, and who bears what usage did not pay for."""
