"""Telling others that an object changed: who is told of what, and how."""
