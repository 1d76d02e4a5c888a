//! One file per noun, one function per use case.
