//! Paths and queries of a relay's viewers: `fuzz/properties/relay.rs`.

#![no_main]

trigger_native_fuzz::target!(relay, 1 << 20, 512);
