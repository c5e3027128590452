"""A written runbook held against the rows: what has none, what has drifted, what the text lacks."""
