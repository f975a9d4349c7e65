"""Ways to search, one file a method; a new file that registers itself is found."""
