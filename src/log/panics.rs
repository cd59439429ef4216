//! Panics as they are told: a fault of this library or of one that it uses. The standard library's own messages show the
//! text that was cut at a wrong place, which may hold a key: it is told without.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write as _;
use std::panic::PanicHookInfo;

use super::text::without_secrets;

/// The message of a panic, without keys and tokens.
pub fn message_of(panic: &(dyn Any + Send)) -> String {
    without_secrets(text_of(panic).into()).into_owned()
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it panicked")
}

/// Prints panics of this library as the standard library does, but without keys and tokens. For programs that are linked
/// with nothing else, as the addon is: the hook is that of all code that shares the standard library.
pub fn print_without_secrets() {
    std::panic::set_hook(Box::new(print));
}

fn print(info: &PanicHookInfo<'_>) {
    let text = text_of(info.payload());
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    // Of a process that closed its standard error there is nobody to tell.
    let mut out = std::io::stderr().lock();
    let name = thread.name().unwrap_or("<unnamed>");
    let _ = writeln!(out, "\nthread '{name}' panicked at {place}:\n{}", without_secrets(text.into()));
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        let _ = writeln!(out, "{backtrace}");
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::process::Command;

    use super::*;

    const KEY: &str = "tr_dev_hiddenhiddenhidden";
    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJoaWRkZW4ifQ.c2lnbmVkaGlkZGVu";

    /// As of code that cuts a text amid a letter: the message shows the text.
    fn cut(text: &str) {
        let text = format!("{text} \u{e9}");
        let _ = &text[..text.len() - 1];
    }

    fn fault() {
        for secret in [KEY, TOKEN, &TOKEN[..40], "http://user:hiddenhidden@127.0.0.1/"] {
            let _ = catch_unwind(|| cut(secret));
        }
    }

    #[test]
    fn the_error_of_a_panic_shows_no_secret() {
        let panic = catch_unwind(|| cut(KEY)).expect_err("it panics");
        let message = message_of(&*panic);
        assert!(message.contains("char boundary") && message.contains("(secret)"), "{message}");
        assert!(!message.contains("hidden"), "{message}");
    }

    #[test]
    fn a_panic_is_printed_with_its_place_and_its_backtrace_and_without_secrets() {
        const CHILD: &str = "TRIGGER_NATIVE_TEST_PANICS";
        if std::env::var_os(CHILD).is_some() {
            print_without_secrets();
            return fault();
        }
        let name = "log::panics::tests::a_panic_is_printed_with_its_place_and_its_backtrace_and_without_secrets";
        let output = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .envs([(CHILD, "1"), ("RUST_BACKTRACE", "full")])
            .output()
            .expect("it runs");
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{printed}");
        assert_eq!(printed.matches("panicked at").count(), 4, "{printed}");
        assert_eq!(printed.matches("(secret)").count(), 4, "{printed}");
        assert!(printed.contains("panics.rs:") && printed.contains("panics::tests::fault"), "{printed}");
        for part in ["hiddenhidden", "eyJ", "c2ln"] {
            assert!(!printed.contains(part), "{part}: {printed}");
        }
    }
}
