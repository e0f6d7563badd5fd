"""Use cases: one function each, one transaction each; the caller commits."""
