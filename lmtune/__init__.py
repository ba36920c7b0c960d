"""Sweeps of language models on Ray Tune."""
