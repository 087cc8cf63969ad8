"""A wallet that is reached by Nostr Wallet Connect (NIP-47), such as Alby Hub with LDK or LND behind it.

connection.py  the wallet's key, ours, and where both meet
wire.py        what is said, as plain values, and what it means for us
verdicts.py    why payouts have failed, kept over a restart
talk.py        saying it: requests and answers over the relays of the connection, encrypted and verified
health.py      what the wallet says about itself
node.py        the `Node` of bot.nodes.base
"""

from bot.nodes.nwc.connection import BadConnection, Connection, connection_from, parse_connection
from bot.nodes.nwc.node import NwcNode

__all__ = ["BadConnection", "Connection", "NwcNode", "connection_from", "parse_connection"]
