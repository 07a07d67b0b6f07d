"""What is kept of a log, a noun or verb a file. Each filter is a small pure function that gives its reasons; reasons
name tools and paths, never values."""
