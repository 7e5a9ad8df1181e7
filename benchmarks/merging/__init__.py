"""Merging beside mergekit: inputs, processes, comparison of what they write."""
