//! Bodies of responses: `fuzz/properties/responses.rs`.

#![no_main]

trigger_native_fuzz::target!(responses, 2 << 20, 512);
