"""What is really used, as a Prometheus saw it, and where it saw nothing."""
