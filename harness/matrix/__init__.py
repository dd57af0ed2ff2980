"""The same cases on several servers: parallel runs, compared on one page."""
