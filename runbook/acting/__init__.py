"""The half of a run that acts: alone, journalled, proven, and never twice whatever is killed in between."""
