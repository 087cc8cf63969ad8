"""Is our memory as old as the world? The look at relays and node before anything is done, and how a lost part of it comes back."""
