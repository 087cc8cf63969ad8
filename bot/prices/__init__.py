"""What a bitcoin costs in the currencies of the people: sources are asked side by side, and a rate is believed when enough of them agree."""
