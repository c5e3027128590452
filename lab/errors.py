"""What goes wrong in a lab."""

from __future__ import annotations


class LabError(Exception):
    """Something that the user of the lab must be told, in words that name the way out."""
