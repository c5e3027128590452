"""Readings on record: what a check or a watch read, kept to be judged again without asking anybody."""
