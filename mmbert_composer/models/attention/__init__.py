"""Attention over packed sequences: one function, backends chosen by name."""
