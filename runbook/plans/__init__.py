"""Plan files: what a run would do, written down, approved by people, and carried out only as it was approved.

``plan_file`` is the file and its hash, ``signatures`` how a person signs, ``approving`` who may and what counts,
``mandate`` holds the approved plan against the targets as they are now.
"""
