"""The level-triggered loop that brings what is to what ought to be, shared out by leases."""
