"""Tests of lmtune.training."""
