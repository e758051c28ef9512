"""What is measured, against what, with one command each: see README.md."""
