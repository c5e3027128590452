"""A report as a document: the blocks that it is made of, whole or short, which each syntax sets in its own way."""
