"""The usage ledger at rest: Parquet under Delta Lake, which other engines read as it is."""
