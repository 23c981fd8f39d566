"""What a topic asks of an article beside being near: words, patterns, languages, sources, age."""
