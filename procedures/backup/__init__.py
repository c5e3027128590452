"""The backup of ``sep_muses`` (Guía de Operaciones §4.2): dumped, encrypted, read back, published, proven by restoring.

``running`` is the whole way of a backup; ``dumping`` streams it, ``reading`` reads it back, ``proving`` restores it
into a throwaway cluster, ``retention`` says what may go and what never does.
"""
