"""Merging models: linear, ema and ties, one method a file."""
