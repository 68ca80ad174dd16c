"""Copies: of objects, and into parts. Where bytes can be shared they are; else they are read once more."""
