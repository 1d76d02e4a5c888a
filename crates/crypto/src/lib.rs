//! Suite 1: the cryptography of Chartkey, without I/O.
