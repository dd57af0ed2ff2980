"""The servers: found, started, monitored and ended; attached ones are only described."""
