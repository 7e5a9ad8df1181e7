"""What benchmarks.prepare measures, a part a file."""
