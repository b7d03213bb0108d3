"""A trained network outside of cnncli: exported, on a page, behind a server."""
