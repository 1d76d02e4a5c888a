//! What every engine must do alike: SQLite in memory, SQLite on disk, and
//! PostgreSQL where `TEST_DATABASE_URL` names one.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do the functions that tests share"
)]

mod engine;
mod jobs;
mod limits;
mod nouns;
mod trail;
