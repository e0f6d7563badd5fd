"""Rules of the domain as plain Python: transition tables, budget arithmetic, consensus, errors."""
