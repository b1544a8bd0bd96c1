"""``python -m dagbook.cli`` is the same as ``dagbook``."""

from __future__ import annotations

from dagbook.cli.main import main

main()
