"""A trained run at work: it is measured, asked, exported and reported on."""
