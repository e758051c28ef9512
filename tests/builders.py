"""Builders of valid domain objects; a test says only what matters to it."""
