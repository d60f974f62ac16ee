"""Use cases of knowledge: collections of documents that agents search."""
