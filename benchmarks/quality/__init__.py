"""Quality of matching on labelled news: ``python -m benchmarks.quality --data FOLDER``."""
