"""Where the inputs lie in the benchmark's folder."""

BASE = "base"
MODELS = ("m1", "m2", "m3")
