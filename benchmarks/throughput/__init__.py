"""The parts of ``benchmarks.inference``: encoders from configs, documents, one setting of the figure."""
