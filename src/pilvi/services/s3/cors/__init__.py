"""Cross-origin resource sharing: which web pages may use a bucket from a browser."""
