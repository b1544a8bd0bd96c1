"""The one engine: plan, schedule, perform. Stores, journals and backends are known only as Protocols."""
