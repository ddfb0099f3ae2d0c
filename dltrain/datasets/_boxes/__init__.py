"""What sources of boxes share: what files say, which images they mean, and how both become parts."""
