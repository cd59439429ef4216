//! Server-sent events: `fuzz/properties/sse.rs`.

#![no_main]

trigger_native_fuzz::target!(sse, 1 << 20, 512);
