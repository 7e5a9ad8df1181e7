"""Readers of the text that is prepared, one kind a file."""
