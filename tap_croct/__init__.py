"""Singer tap for Croct."""
