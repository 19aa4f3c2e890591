"""A workspace's keys for AI providers: kept encrypted, ordered, tested."""
