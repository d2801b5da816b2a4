"""The daemon that keeps a host's devices as the policy says: `core` decides, `daemon` acts."""
