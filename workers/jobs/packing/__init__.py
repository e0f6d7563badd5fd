"""Packing the pool: forms, blocks, the processes that make them, and the job; without torch."""
