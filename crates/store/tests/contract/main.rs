//! What every engine must do alike: SQLite in memory, SQLite on disk, and
//! PostgreSQL where `TEST_DATABASE_URL` names one.

mod engine;
mod jobs;
mod limits;
mod trail;
