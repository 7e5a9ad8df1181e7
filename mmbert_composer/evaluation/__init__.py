"""Evaluation: tasks as rows, one fine-tuning loop, probes without tuning, results as files."""
