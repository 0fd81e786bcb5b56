//! The connections and migrations of a `SQLite` file.
