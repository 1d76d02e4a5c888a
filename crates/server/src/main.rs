//! The Chartkey server and command line.
fn main() {}
