"""Visitors: requests that arrive by a schedule, sent by Locust in a process of its own."""
