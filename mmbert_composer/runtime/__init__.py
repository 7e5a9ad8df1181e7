"""Mends for faults of Streaming 0.13.0 and Composer 0.32.1: one file each, which says when it can go."""
