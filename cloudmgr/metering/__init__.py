"""What is held and used, as observed: meters, the collector and the append-only usage ledger."""
