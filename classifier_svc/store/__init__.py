"""The store: datasets as features and labels, models as versioned heads; in SQLite, or in PostgreSQL by URL."""
