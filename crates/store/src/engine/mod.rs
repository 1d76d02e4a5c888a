//! Both databases behind one interface of synchronous closures.
//!
//! * A **write** is `FnOnce(&mut Tx) -> Result<T, E>`. One thread per node
//!   takes every write that waits, runs each in its own savepoint inside one
//!   transaction, commits once, and only then answers: group commit. A write
//!   that fails or panics takes back its own savepoint and nobody else's.
//! * A **read** is `FnOnce(&mut Reader) -> Result<T, E>` over one snapshot.
//!   On SQLite it runs inline, because it costs microseconds; on PostgreSQL it
//!   runs on a blocking thread.
//!
//! SQL is written once, with `?1` placeholders and the types `BIGINT`, `TEXT`
//! and `BLOB`. This module must not know what any table means.

mod error;
mod postgres;
mod reader;
mod sqlite;
mod store;
mod value;
mod writer;

pub use error::StoreError;
pub use reader::{Reader, Tx};
pub use store::{Place, Store, StoreConfig};
pub use value::{FromValue, Row, ToValue, Value};

pub(crate) use reader::Connection;

/// Parameters of a statement, by reference: `params![id, name, size]`.
///
/// Each becomes a [`Value`](crate::Value) through [`ToValue`](crate::ToValue).
#[macro_export]
macro_rules! params {
    () => { &[] as &[$crate::Value<'_>] };
    ($($value:expr),+ $(,)?) => { &[$($crate::ToValue::to_value(&$value)),+] };
}
