"""From weights to a folder that transformers loads, checked by its logits."""
