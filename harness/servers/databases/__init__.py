"""PostgreSQL and MariaDB as resources: private instances for the index of a server under test."""
