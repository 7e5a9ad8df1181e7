"""Optimizers and learning-rate schedules on the token clock."""
