"""A page about runs, in one file: what they have reached, how sure that is, and where they are wrong."""
