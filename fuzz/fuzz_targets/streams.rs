//! Streams of runs: `fuzz/properties/streams.rs`.

#![no_main]

trigger_native_fuzz::target!(streams, 4 << 20, 4096);
