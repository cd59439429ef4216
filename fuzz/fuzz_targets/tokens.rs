//! Tokens: `fuzz/properties/tokens.rs`.

#![no_main]

trigger_native_fuzz::target!(tokens, 1 << 20, 512);
