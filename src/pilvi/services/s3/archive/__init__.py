"""Objects in an archive: kept like all others, and read only after they were restored for some days."""
