"""The product's rooms, one noun a file; `docs/architecture.md` says who may know whom."""

__version__ = "0.1.0"
