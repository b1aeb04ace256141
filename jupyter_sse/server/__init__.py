"""The server's side: the extension of Jupyter Server that owns the hub and lets readers in.

Nothing on the kernel's side imports this package.
"""
