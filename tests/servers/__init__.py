"""Real servers for tests, benchmarks and a developer's laptop: no Docker, no Java, no root, only what pip installs."""
