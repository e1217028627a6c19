"""One adapter a data set: each turns what is on disk into the same manifest rows."""
