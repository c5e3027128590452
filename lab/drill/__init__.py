"""Drills: the lab is broken at random, the runbook or a person mends it, and what they did is scored by the truth."""
