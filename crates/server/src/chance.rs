//! The operating system's clock and randomness: the only place that reads
//! either. Everything else gets them as arguments.

use std::fmt::Write as _;

use chartkey_domain::clock::Clock;
use getrandom::SysRng;
use jiff::Timestamp;
use rand_core::{Rng as _, UnwrapErr};

/// The system's generator. It panics where the operating system has no
/// randomness to give, because nothing may go on without it.
pub type SystemRng = UnwrapErr<SysRng>;

/// The system's generator.
pub fn system_rng() -> SystemRng {
    UnwrapErr(SysRng)
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the clock that everything else is given"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// 128 random bits in hexadecimal, to name a request in logs.
pub fn hex_id() -> String {
    let mut bytes = [0; 16];
    system_rng().fill_bytes(&mut bytes);
    let mut text = String::with_capacity(32);
    for byte in bytes {
        // Writing into a `String` cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
