"""Pictures of stored images for display: decoded frames, rendered as their objects specify."""
