"""Code that sources share: parts, splitting, proposals for `dltrain init`."""
