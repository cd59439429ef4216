//! Run feeds: `fuzz/properties/shape.rs`.

#![no_main]

trigger_native_fuzz::target!(shape, 4 << 20, 4096);
