//! Ids, names and base URLs: `fuzz/properties/paths.rs`.

#![no_main]

trigger_native_fuzz::target!(paths, 1 << 20, 512);
