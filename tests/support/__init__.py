"""What several suites share: stand-ins and databases for tests."""
