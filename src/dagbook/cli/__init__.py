"""The command line: ``dagbook run notebook.ipynb``."""

USAGE = 3
"""The exit code of a command that was given something it cannot take."""
