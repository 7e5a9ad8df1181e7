"""Evaluation: tasks, fine-tuning, bitext retrieval, intrinsic measures, and models side by side."""
