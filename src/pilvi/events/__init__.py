"""After the commit: what was written to the outbox is carried out."""
