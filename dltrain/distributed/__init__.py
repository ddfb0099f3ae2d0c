"""Several workers that train together: who they are, how they meet, talk and agree, and what that costs."""
