"""A Lightning node without Lightning: for the demo, the tests and the simulation.

node = SimNode(time.time, os.urandom, path)      the Node of bot.nodes.base
node.wallet("employer").pay(invoice)             the people around it
node.network.mine(6); node.network.faults = Faults(down=True)
Control(node, socket_path)                       the same for other processes
"""

from bot.nodes.simnet.control import Control
from bot.nodes.simnet.faults import Faults
from bot.nodes.simnet.node import SimNode
from bot.nodes.simnet.rules import Figures, Params
from bot.nodes.simnet.wallets import Wallet

__all__ = ["Control", "Faults", "Figures", "Params", "SimNode", "Wallet"]
