"""The commands: up, down, status, env, logs, key. Each is a client of the running cloud, or starts one."""
