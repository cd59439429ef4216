//! Bodies of the relay's live stream: `fuzz/properties/wants.rs`.

#![no_main]

trigger_native_fuzz::target!(wants, 1 << 20, 512);
