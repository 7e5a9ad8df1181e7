"""The encoder: transformers' ModernBERT parameters with a forward of our own over packed batches."""
