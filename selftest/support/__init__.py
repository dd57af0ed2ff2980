"""What several folders of selftests share."""
