"""A Core Lightning node.

`plugin` runs inside lightningd (`holdfast-hold`) and holds what arrives, since lightningd has no hold invoices of its own;
`node` is the daemon's side, the `Node` of bot.nodes.base; `wire` is what both call by the same name.
"""
