"""Everything that leaves the house, carried out at least once from rows that outlive a crash."""
