"""Speed and quality, measured side by side. Each file says in its first lines how it is run."""
