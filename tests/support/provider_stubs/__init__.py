"""Local servers that speak the providers' streaming protocols, for tests of the real provider classes."""
