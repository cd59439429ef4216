//! Texts within messages, headers and options: `fuzz/properties/values.rs`.

#![no_main]

trigger_native_fuzz::target!(values, 1 << 20, 512);
