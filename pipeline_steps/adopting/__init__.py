"""A folder of photographs becomes a profile: its table is read, its columns are guessed and said."""
