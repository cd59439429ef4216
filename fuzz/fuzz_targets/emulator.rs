//! The emulator's listener and routes: `fuzz/properties/emulator.rs`.

#![no_main]

trigger_native_fuzz::target!(emulator, 16 << 20, 4096);
