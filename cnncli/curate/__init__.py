"""Pictures before they are a data set: splitting, checking, and a first config. Knows files, no network."""
