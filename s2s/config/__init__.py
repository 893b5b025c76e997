"""Every option: its name, type, default, unit, range and check; a file a group."""
