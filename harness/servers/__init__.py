"""The servers: found, started, watched, ended; attached ones only described."""
