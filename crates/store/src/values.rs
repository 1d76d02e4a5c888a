//! How the nouns of `domain` become columns: ids as 16 bytes, times as
//! milliseconds, compartments and types as their text.

use chartkey_domain::connections::{ConnectionKind, Direction};
use chartkey_domain::ids::{
    AccountId, BatchId, BlobId, ClaimId, ConnectionId, DeliveryId, DocumentRequestId, GrantId, Id,
    JobId, PatientId, RecordId, RequestId, SessionId, SyncId, ViewId,
};
use chartkey_domain::sync::{
    DeliveryState, LinkState, LogAction, LogStatus, Operation, RunState, Trigger,
};
use chartkey_fhir::{Compartment, Kinds, RecordType};
use jiff::Timestamp;

use crate::{FromValue, StoreError, ToValue, Value};

const WRONG: StoreError = StoreError::Corrupt("a column of another type");

macro_rules! ids {
    ($($id:ty),*) => {$(
        impl ToValue for $id {
            fn to_value(&self) -> Value<'_> {
                self.as_bytes().to_value()
            }
        }

        impl FromValue for $id {
            fn from_value(value: Value<'_>) -> Result<Self, StoreError> {
                <[u8; 16]>::from_value(value).map(Self::from_bytes)
            }
        }
    )*};
}
ids!(
    ClaimId,
    ConnectionId,
    DeliveryId,
    DocumentRequestId,
    SyncId,
    Id,
    AccountId,
    BatchId,
    BlobId,
    GrantId,
    JobId,
    PatientId,
    RecordId,
    RequestId,
    SessionId,
    ViewId
);

impl ToValue for Timestamp {
    fn to_value(&self) -> Value<'_> {
        Value::I64(self.as_millisecond())
    }
}

impl FromValue for Timestamp {
    fn from_value(value: Value<'_>) -> Result<Self, StoreError> {
        Self::from_millisecond(i64::from_value(value)?).map_err(|_| WRONG)
    }
}

impl ToValue for Compartment {
    fn to_value(&self) -> Value<'_> {
        Value::from(self.name())
    }
}

impl FromValue for Compartment {
    fn from_value(value: Value<'_>) -> Result<Self, StoreError> {
        text(&value)?.parse().map_err(|_| WRONG)
    }
}

impl ToValue for RecordType {
    fn to_value(&self) -> Value<'_> {
        Value::from(self.as_str())
    }
}

impl FromValue for RecordType {
    fn from_value(value: Value<'_>) -> Result<Self, StoreError> {
        text(&value)?.parse().map_err(|_| WRONG)
    }
}

impl ToValue for Kinds {
    fn to_value(&self) -> Value<'_> {
        Value::I64(i64::from(self.bits()))
    }
}

impl FromValue for Kinds {
    fn from_value(value: Value<'_>) -> Result<Self, StoreError> {
        Self::from_bits(u8::from_value(value)?).ok_or(WRONG)
    }
}

macro_rules! words {
    ($($word:ty),*) => {$(
        impl ToValue for $word {
            fn to_value(&self) -> Value<'_> {
                Value::from(self.word())
            }
        }

        impl FromValue for $word {
            fn from_value(value: Value<'_>) -> Result<Self, StoreError> {
                Self::parse(text(&value)?).ok_or(WRONG)
            }
        }
    )*};
}
words!(
    ConnectionKind,
    Direction,
    LinkState,
    Trigger,
    RunState,
    DeliveryState,
    Operation,
    LogAction,
    LogStatus
);

fn text<'a>(value: &'a Value<'_>) -> Result<&'a str, StoreError> {
    match value {
        Value::Text(text) => Ok(text),
        _ => Err(WRONG),
    }
}
