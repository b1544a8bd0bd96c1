"""Where calls run: the waiting thread itself, a few worker threads, or worker processes."""
