"""Use cases of sharing: who may do what with an agent, and who may read a conversation."""
