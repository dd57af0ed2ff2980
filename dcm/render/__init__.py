"""Pictures of stored images, for people: decoded frames, shown as their objects ask for."""
