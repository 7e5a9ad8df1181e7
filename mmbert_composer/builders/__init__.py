"""From settings to a Trainer."""
