"""Scores of predictions, 0 to 100."""
