"""Bucket policies, and keeping the public out whatever they say."""
