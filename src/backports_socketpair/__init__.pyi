from socket import socketpair as socketpair

__version__: str
