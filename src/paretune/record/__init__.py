"""A run's files: what the trainer writes and everything else reads."""
