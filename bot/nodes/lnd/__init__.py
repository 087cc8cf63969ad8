"""LND behind `bot.nodes.base.Node`, over its REST interface.

`wire.py` reads what LND says, `rest.py` asks it, `lines.py` is the wire itself, `shared.py` lets many share one fresh answer, `ears.py`
listens to LND's streams, `node.py` is the adapter, `payouts.py` its half that pays, `credentials.py` reads the files that it needs, `rights.py` what its
macaroon allows.
"""

from bot.nodes.lnd.credentials import read_certificate, read_macaroon
from bot.nodes.lnd.node import LndNode
from bot.nodes.lnd.rest import Rest

__all__ = ["LndNode", "Rest", "read_certificate", "read_macaroon"]
