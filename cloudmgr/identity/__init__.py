"""Who may: users, their roles, the tokens they act with, and what each of those allows."""
