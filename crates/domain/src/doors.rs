//! What all doors (the traits that the outside implements) have in common.

use std::future::Future;
use std::pin::Pin;

/// What a method of a door returns, so that a door can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
