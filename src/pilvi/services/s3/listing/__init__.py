"""Listings: walks over keys in order, in pages."""
