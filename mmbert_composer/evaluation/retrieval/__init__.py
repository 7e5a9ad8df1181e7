"""Text embeddings: a model tuned on triplets, and the benchmarks of mteb."""
