//! Wiring, configuration, command line and HTTP.
