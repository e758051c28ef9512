"""What would have been: policies of scaling run over demand that was, and what they cost."""
