"""A compound that tenfold does not have, registered by tests alone, and examples of others."""
