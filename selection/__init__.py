"""Strategies as pure functions of arrays; knows nothing of web, database, queue or networks."""
