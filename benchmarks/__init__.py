"""How fast the daemon is, and where its time goes. `README.md` says what each figure means."""
