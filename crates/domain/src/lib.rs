//! Nouns, rules and policy.
