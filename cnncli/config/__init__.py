"""From YAML files and overrides to one checked config. Touches no torch and builds nothing."""
