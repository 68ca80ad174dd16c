"""Uploads in parts: begun, filled, completed or given up."""
