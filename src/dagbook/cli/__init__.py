"""The command line: ``dagbook run notebook.ipynb``."""
