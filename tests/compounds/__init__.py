"""A compound that tenfold does not have, registered by tests alone."""
