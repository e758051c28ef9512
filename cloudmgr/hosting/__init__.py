"""Requests, environments, and the reconciler that keeps what runs equal to what was approved."""
