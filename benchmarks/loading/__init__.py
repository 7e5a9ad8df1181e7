"""The parts of ``benchmarks.loader`` and ``benchmarks.segment_edge``: data folders of random blocks, contenders."""
