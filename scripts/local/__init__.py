"""The local stack: emulators, functions and gateway on one machine."""
