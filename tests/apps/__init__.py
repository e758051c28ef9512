"""Small real programs that pools of processes run in tests: standard library only, fast."""
