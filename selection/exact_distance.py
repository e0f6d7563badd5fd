"""Exact squared distances, compiled by numba, with the bits of numpy's float64 sums."""

import numpy as np
from numba import njit

from selection.arrays import FloatArray

LEAF = 128  # longest run that numpy adds without halving
ADD = -1  # in place of a length: add the two newest sums

compiled = njit(cache=True, nogil=True)


@compiled
def _sum_of_squares_leaf(x: FloatArray, c: FloatArray, start: int, n: int) -> float:
    if n < 8:
        total = 0.0
        for j in range(start, start + n):
            total += (np.float64(x[j]) - np.float64(c[j])) ** 2
        return total
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = 0.0
    whole = start + n - n % 8
    for j in range(start, whole, 8):
        a0 += (np.float64(x[j]) - np.float64(c[j])) ** 2
        a1 += (np.float64(x[j + 1]) - np.float64(c[j + 1])) ** 2
        a2 += (np.float64(x[j + 2]) - np.float64(c[j + 2])) ** 2
        a3 += (np.float64(x[j + 3]) - np.float64(c[j + 3])) ** 2
        a4 += (np.float64(x[j + 4]) - np.float64(c[j + 4])) ** 2
        a5 += (np.float64(x[j + 5]) - np.float64(c[j + 5])) ** 2
        a6 += (np.float64(x[j + 6]) - np.float64(c[j + 6])) ** 2
        a7 += (np.float64(x[j + 7]) - np.float64(c[j + 7])) ** 2
    total = ((a0 + a1) + (a2 + a3)) + ((a4 + a5) + (a6 + a7))
    for j in range(whole, start + n):
        total += (np.float64(x[j]) - np.float64(c[j])) ** 2
    return total


@compiled
def squared_distance(x: FloatArray, c: FloatArray) -> float:
    """Return sum((x - c)^2) with the bits of numpy's float64 sum.

    That is numpy's pairwise order: halves down to 128, then eight running sums. A stack stands for
    the recursion, which numba 0.68 cannot load from its cache (segmentation fault).
    """
    d = x.shape[0]
    if d <= LEAF:
        return _sum_of_squares_leaf(x, c, 0, d)
    starts, lengths, sums = np.empty(64, np.int64), np.empty(64, np.int64), np.empty(32)
    starts[0], lengths[0] = 0, d
    n_parts, n_sums = 1, 0
    while n_parts:
        n_parts -= 1
        start, n = starts[n_parts], lengths[n_parts]
        if n == ADD:
            n_sums -= 1
            sums[n_sums - 1] += sums[n_sums]
        elif n <= LEAF:
            sums[n_sums] = _sum_of_squares_leaf(x, c, start, n)
            n_sums += 1
        else:
            half = n // 2
            half -= half % 8
            lengths[n_parts] = ADD
            starts[n_parts + 1], lengths[n_parts + 1] = start + half, n - half
            starts[n_parts + 2], lengths[n_parts + 2] = start, half
            n_parts += 3
    return sums[0]
