"""What departments may spend in a year, what of it is gone, and what will be."""
