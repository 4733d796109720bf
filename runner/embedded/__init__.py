"""The embedded form: one state folder, one engine process with its own Valkey and workers."""
