"""The rows of every suite, one file a suite."""
