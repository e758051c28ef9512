"""What runs on a schedule. The only folder that knows APScheduler."""
