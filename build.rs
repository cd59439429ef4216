//! Tells the linker how a Node addon is linked; nothing to do without the `node` feature.
fn main() {
    #[cfg(feature = "node")]
    napi_build::setup();
}
