"""The daemon's ears and mouth on Nostr: relay connections, signatures, private messages, the embedded relay.

Only this package knows nostr-sdk and the relay protocol; everyone else sees `kinds.events` values.
`client.Relays` is the door to all relays, `signer.Signer` the door to the key, `embedded.embedded_relay` a relay in process.
"""
