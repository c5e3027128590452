"""The purge of the exchange tables (Guía de Operaciones §4.1): archive, read back, delete, and never lose a row.

``running`` is the whole way, ``batches`` one batch of it; ``surveying`` and ``preflight`` look before anything is
done; ``archiving`` and ``deleting`` are the two halves of a batch, with ``ledger`` as their memory between them.
"""
