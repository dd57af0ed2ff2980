"""The same cases on several servers: runs side by side, and one page of them."""
