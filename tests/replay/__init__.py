"""Runs of every release, held against the engine of today: the same events must lead to the same decisions."""
