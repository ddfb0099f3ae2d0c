"""Small sample data that are made offline, to try a source, a config or dltrain itself."""
