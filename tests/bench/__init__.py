"""Benchmarks, each of two things that take turns in one run. `python -m tests.bench` runs them."""
