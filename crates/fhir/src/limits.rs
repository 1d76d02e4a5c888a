//! How much of somebody else's JSON is read before it is refused.
//!
//! Everything here bounds memory or time, never meaning: what is refused for its
//! size is refused whole, with a code, and nothing is read half.

/// Bounds for one call of [`crate::parse`] or [`crate::plan_import`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole input.
    pub max_bytes: usize,
    /// Nesting of arrays and objects, counted from the top of a resource, and
    /// again from the top of a Bundle.
    pub max_depth: usize,
    /// Resources: entries of a Bundle, lines of NDJSON.
    pub max_resources: usize,
    /// Bytes of one string as written (base64 attachments are strings).
    pub max_string_bytes: usize,
    /// JSON values in one resource, since many small values cost more memory
    /// than the text they are written in.
    pub max_values: usize,
    /// Compartments into which one supporting resource is written.
    pub max_placements: usize,
    /// Issues that are listed; what comes after them is only counted.
    pub max_issues: usize,
}

impl Limits {
    /// Bytes of the whole input, unless told otherwise: 64 MiB.
    pub const DEFAULT_MAX_BYTES: usize = 64 << 20;
    /// Nesting, unless told otherwise.
    pub const DEFAULT_MAX_DEPTH: usize = 64;
    /// Nesting that no caller can exceed: the reader recurses, and the smallest
    /// stack it runs on (WebAssembly) holds this with room to spare.
    pub const HARD_MAX_DEPTH: usize = 256;
    /// Resources in one input, unless told otherwise.
    pub const DEFAULT_MAX_RESOURCES: usize = 100_000;
    /// JSON values in one resource, unless told otherwise.
    pub const DEFAULT_MAX_VALUES: usize = 1_000_000;
    /// Compartments for one supporting resource, unless told otherwise.
    pub const DEFAULT_MAX_PLACEMENTS: usize = 128;
    /// Issues listed, unless told otherwise.
    pub const DEFAULT_MAX_ISSUES: usize = 1_000;

    /// The depth that is really used.
    pub(crate) fn depth(&self) -> usize {
        self.max_depth.min(Self::HARD_MAX_DEPTH)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: Self::DEFAULT_MAX_BYTES,
            max_depth: Self::DEFAULT_MAX_DEPTH,
            max_resources: Self::DEFAULT_MAX_RESOURCES,
            max_string_bytes: Self::DEFAULT_MAX_BYTES,
            max_values: Self::DEFAULT_MAX_VALUES,
            max_placements: Self::DEFAULT_MAX_PLACEMENTS,
            max_issues: Self::DEFAULT_MAX_ISSUES,
        }
    }
}
