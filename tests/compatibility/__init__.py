"""Other projects' own tests, run over our agent, pool and connections."""
