"""Greedy k-centers: exact picks without a distance matrix, on the CPU, on a device, in shards."""
