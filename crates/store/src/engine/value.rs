//! Values that cross into and out of SQL: null, 64-bit integers, text, bytes.

use std::borrow::Cow;
use std::fmt;

use super::StoreError;

/// One SQL value. Booleans are integers 0 and 1; ids and hashes are blobs.
#[derive(Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// SQL NULL.
    Null,
    /// `BIGINT`.
    I64(i64),
    /// `TEXT`, UTF-8.
    Text(Cow<'a, str>),
    /// `BLOB` or `BYTEA`.
    Blob(Cow<'a, [u8]>),
}

// Values may be sealed, personal or secret, so nothing of them is printed.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::I64(_) => "I64",
            Self::Text(_) => "Text",
            Self::Blob(_) => "Blob",
        })
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::I64(value)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::I64(i64::from(value))
    }
}

impl<const N: usize> From<[u8; N]> for Value<'_> {
    fn from(value: [u8; N]) -> Self {
        Self::Blob(Cow::Owned(value.to_vec()))
    }
}

impl From<Vec<u8>> for Value<'_> {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(Cow::Owned(value))
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Blob(Cow::Borrowed(value))
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Self::Text(Cow::Owned(value))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

/// What can be a parameter of a statement.
pub trait ToValue {
    /// Borrows `self` as a value where it can.
    fn to_value(&self) -> Value<'_>;
}

impl ToValue for Value<'_> {
    fn to_value(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::I64(value) => Value::I64(*value),
            Self::Text(value) => Value::Text(Cow::Borrowed(value)),
            Self::Blob(value) => Value::Blob(Cow::Borrowed(value)),
        }
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value<'_> {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, ToValue::to_value)
    }
}

macro_rules! integers {
    ($($t:ty),*) => {$(
        impl ToValue for $t {
            fn to_value(&self) -> Value<'_> {
                Value::I64(i64::from(*self))
            }
        }
    )*};
}
integers!(i64, i32, u32, u16, u8, bool);

// Counts, sizes and leaf indexes: none of ours reaches 2^63, and one that did
// would be refused by the comparison it is used in rather than wrap around.
impl ToValue for u64 {
    fn to_value(&self) -> Value<'_> {
        Value::I64(i64::try_from(*self).unwrap_or(i64::MAX))
    }
}

impl ToValue for str {
    fn to_value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self))
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self))
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(Cow::Borrowed(self))
    }
}

impl ToValue for Vec<u8> {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(Cow::Borrowed(self))
    }
}

impl<const N: usize> ToValue for [u8; N] {
    fn to_value(&self) -> Value<'_> {
        Value::Blob(Cow::Borrowed(self))
    }
}

/// What a column can be read as.
pub trait FromValue: Sized {
    /// # Errors
    /// [`StoreError::Corrupt`] if the column holds something else.
    fn from_value(value: Value<'_>) -> Result<Self, StoreError>;
}

const WRONG: StoreError = StoreError::Corrupt("a column of another type");

impl FromValue for i64 {
    fn from_value(value: Value<'_>) -> Result<Self, StoreError> {
        match value {
            Value::I64(value) => Ok(value),
            _ => Err(WRONG),
        }
    }
}

macro_rules! narrower {
    ($($t:ty),*) => {$(
        impl FromValue for $t {
            fn from_value(value: Value<'_>) -> Result<Self, StoreError> {
                i64::from_value(value)?.try_into().map_err(|_| WRONG)
            }
        }
    )*};
}
narrower!(u64, u32, i32, u16, u8);

impl FromValue for bool {
    fn from_value(value: Value<'_>) -> Result<Self, StoreError> {
        match i64::from_value(value)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WRONG),
        }
    }
}

impl FromValue for String {
    fn from_value(value: Value<'_>) -> Result<Self, StoreError> {
        match value {
            Value::Text(value) => Ok(value.into_owned()),
            _ => Err(WRONG),
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: Value<'_>) -> Result<Self, StoreError> {
        match value {
            Value::Blob(value) => Ok(value.into_owned()),
            _ => Err(WRONG),
        }
    }
}

impl<const N: usize> FromValue for [u8; N] {
    fn from_value(value: Value<'_>) -> Result<Self, StoreError> {
        match value {
            Value::Blob(value) => value.as_ref().try_into().map_err(|_| WRONG),
            _ => Err(WRONG),
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value<'_>) -> Result<Self, StoreError> {
        match value {
            Value::Null => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
}

/// One row of an answer, alive while its mapping closure runs.
pub struct Row<'r>(RowOf<'r>);

enum RowOf<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r postgres::Row),
}

impl<'r> Row<'r> {
    pub(super) fn sqlite(row: &'r rusqlite::Row<'r>) -> Self {
        Self(RowOf::Sqlite(row))
    }

    pub(super) fn postgres(row: &'r postgres::Row) -> Self {
        Self(RowOf::Postgres(row))
    }

    /// Column `index` (from 0), as `T`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it is not a `T` or there is no such column.
    pub fn get<T: FromValue>(&self, index: usize) -> Result<T, StoreError> {
        T::from_value(self.value(index)?)
    }

    /// Column `index` as it is, borrowed from the engine where it can be.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if there is no such column.
    pub fn value(&self, index: usize) -> Result<Value<'_>, StoreError> {
        match &self.0 {
            RowOf::Sqlite(row) => {
                use rusqlite::types::ValueRef;
                match row.get_ref(index).map_err(|_| WRONG)? {
                    ValueRef::Null => Ok(Value::Null),
                    ValueRef::Integer(value) => Ok(Value::I64(value)),
                    ValueRef::Text(bytes) => std::str::from_utf8(bytes)
                        .map(Value::from)
                        .map_err(|_| StoreError::Corrupt("text that is not UTF-8")),
                    ValueRef::Blob(bytes) => Ok(Value::from(bytes)),
                    ValueRef::Real(_) => Err(WRONG),
                }
            }
            RowOf::Postgres(row) => row.try_get::<_, Value<'_>>(index).map_err(|_| WRONG),
        }
    }
}

impl rusqlite::ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, ValueRef};
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::I64(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Blob(value) => ValueRef::Blob(value),
        }))
    }
}

/// A parameter that PostgreSQL infers as a type we do not speak.
#[derive(Debug)]
pub(super) struct WrongType;

impl fmt::Display for WrongType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a parameter of another type")
    }
}

impl std::error::Error for WrongType {}

type Boxed = Box<dyn std::error::Error + Sync + Send>;

impl postgres::types::ToSql for Value<'_> {
    fn to_sql(
        &self,
        ty: &postgres::types::Type,
        out: &mut bytes::BytesMut,
    ) -> Result<postgres::types::IsNull, Boxed> {
        use postgres::types::Type;
        match self {
            Self::Null => Ok(postgres::types::IsNull::Yes),
            Self::I64(value) if *ty == Type::INT8 => value.to_sql(ty, out),
            Self::I64(value) if *ty == Type::INT4 => i32::try_from(*value)?.to_sql(ty, out),
            Self::I64(value) if *ty == Type::INT2 => i16::try_from(*value)?.to_sql(ty, out),
            Self::Text(value) if *ty == Type::TEXT || *ty == Type::VARCHAR || *ty == Type::NAME => {
                value.as_ref().to_sql(ty, out)
            }
            Self::Blob(value) if *ty == Type::BYTEA => value.as_ref().to_sql(ty, out),
            _ => Err(Box::new(WrongType)),
        }
    }

    fn accepts(_: &postgres::types::Type) -> bool {
        true
    }

    postgres::types::to_sql_checked!();
}

impl<'a> postgres::types::FromSql<'a> for Value<'a> {
    fn from_sql(ty: &postgres::types::Type, raw: &'a [u8]) -> Result<Self, Boxed> {
        use postgres::types::Type;
        match *ty {
            Type::INT8 => i64::from_sql(ty, raw).map(Value::I64),
            Type::INT4 => i32::from_sql(ty, raw).map(|value| Value::I64(value.into())),
            Type::INT2 => i16::from_sql(ty, raw).map(|value| Value::I64(value.into())),
            Type::BOOL => bool::from_sql(ty, raw).map(Value::from),
            Type::BYTEA => <&[u8]>::from_sql(ty, raw).map(Value::from),
            _ => <&str>::from_sql(ty, raw).map(Value::from),
        }
    }

    fn from_sql_null(_: &postgres::types::Type) -> Result<Self, Boxed> {
        Ok(Value::Null)
    }

    fn accepts(ty: &postgres::types::Type) -> bool {
        use postgres::types::Type;
        matches!(
            *ty,
            Type::INT8
                | Type::INT4
                | Type::INT2
                | Type::BOOL
                | Type::BYTEA
                | Type::TEXT
                | Type::VARCHAR
                | Type::NAME
        )
    }
}
