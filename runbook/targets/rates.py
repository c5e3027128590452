"""Rates from samples of a count over time."""

from __future__ import annotations

from datetime import datetime, timedelta

#: A count at moments, oldest first.
Samples = tuple[tuple[datetime, int], ...]


def slope(samples: Samples) -> float | None:
    """Growth per second: the straight line fitted to the samples. None with fewer than two moments: blind, not zero."""
    if not span(samples):
        return None
    times = [(at - samples[0][0]).total_seconds() for at, _ in samples]
    middle = sum(times) / len(times)
    spread = sum((t - middle) ** 2 for t in times)
    return sum((t - middle) * count for t, (_, count) in zip(times, samples, strict=True)) / spread


def rise(samples: Samples) -> float | None:
    """Events per second of a counter that only rises. None when it was reset or has fewer than two moments."""
    if not span(samples) or samples[-1][1] < samples[0][1]:
        return None
    return (samples[-1][1] - samples[0][1]) / span(samples).total_seconds()


def span(samples: Samples) -> timedelta:
    """The time from the first sample to the last."""
    return samples[-1][0] - samples[0][0] if samples else timedelta(0)
