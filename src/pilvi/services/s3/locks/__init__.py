"""Object lock: versions that cannot be deleted until a time has come, or a legal hold is lifted."""
