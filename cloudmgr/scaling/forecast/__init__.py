"""What will be asked of a system within its start-up time, told from its own history."""
