"""Websites: a bucket's objects as pages, for everybody who may read them."""
