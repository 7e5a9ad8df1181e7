"""The parts of ``benchmarks.train_step``: documents, contenders, floor, and the cases of CPU and GPU."""
