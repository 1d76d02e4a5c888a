//! The door from the browser to paper: no logic, only spelling.
//!
//! A `Press` is laid with one document as JSON text, says which fonts it needs,
//! is brought them, and sets the PDF. Who holds it fetches the fonts, and ends
//! the worker that it lives in when the PDF is out, which empties its memory.
//!
//! A call that fails throws an `Error` with the member `code`, a stable dotted
//! word, and never a word of the document.

#[cfg(target_arch = "wasm32")]
mod press;
