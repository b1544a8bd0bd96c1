"""What a result depends on: code, values, keys. No I/O but reading project files."""
