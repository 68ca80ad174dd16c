"""Versions of objects: switched on, suspended, listed."""
