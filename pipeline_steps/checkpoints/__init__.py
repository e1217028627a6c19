"""Where models lie, which version is meant, and what made a shipped one."""
