"""Text to blocks, and blocks to batches."""
