"""Texts as token ids: tokenizers, and what reads texts for a trained network."""
