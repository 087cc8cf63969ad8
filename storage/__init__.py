"""MEMORY: tables, and one transaction per decision. Synchronous functions over a SQLAlchemy Core connection."""
