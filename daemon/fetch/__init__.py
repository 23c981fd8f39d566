"""From a feed's address to articles handed over. One file per verb; poll.py draws how they meet."""
