"""The executors: thin faces on the one engine. Each turns its arguments into a run, and the run into a result."""
