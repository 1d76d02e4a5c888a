//! What a key-holder does: write, open, grant, adopt, rotate. No I/O.
