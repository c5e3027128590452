"""What other thresholds would have done, from what was measured. Pure.

An *incident* is a stretch beyond the critical limit in force (the warning limit, where there is no other). An *alarm*
is a stretch beyond a limit that is tried; it is false where no incident falls into it. Between two samples nobody
looked: whatever is said of times is right to that.
"""
