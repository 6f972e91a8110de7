"""The known name that is most like one that is not known; its home is where data finds it, too."""

from ostinato.names import nearest

__all__ = ["nearest"]
