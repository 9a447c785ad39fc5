from .socketpair import fallback_socketpair as fallback_socketpair
from .socketpair import replace_emulation as replace_emulation
from .socketpair import socketpair as socketpair

__version__: str
