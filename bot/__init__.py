"""HANDS: the daemon. Relays, node adapters, outbox workers, timers, configuration, command line."""
