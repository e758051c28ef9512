"""Answers for systems that sleep or have no replica just now: wakes them, waits, and passes on."""
