"""An executor pool for hostile code."""
