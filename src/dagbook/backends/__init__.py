"""Where calls run: the waiting thread itself, or a few worker threads."""
