"""Sentences with a label for every token: files, vocabularies, batches, and spans of labels."""
