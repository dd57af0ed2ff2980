"""PostgreSQL and MariaDB as resources: private instances that a server under test keeps its index in."""
