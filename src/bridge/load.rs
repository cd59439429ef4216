//! What happens when the addon is loaded.

use napi_derive::module_init;

use crate::log::panics::print_without_secrets;

/// Nothing but the addon shares its standard library: its panics are printed by a hook of its own.
#[module_init]
fn loaded() {
    print_without_secrets();
}
