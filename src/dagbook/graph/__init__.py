"""What depends on what. No I/O, no threads; knows nothing of running."""
