"""Ratios to honest floors, measured in one go: ``python -m tests.benchmarks``. Never part of the test-suite."""
