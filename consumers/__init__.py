"""What happens to an article. Knows no log, no database, no scheduler and no web server."""
