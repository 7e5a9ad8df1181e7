"""Rows of a task: from the hub, from a folder with the hub's schema, or from files in a flat layout."""
