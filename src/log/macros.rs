//! The one way to write a line.

/// Writes a line: a level, a message and fields. The fields are computed where the level is on, only.
macro_rules! log {
    ($level:ident, $message:literal $(, $name:literal => $value:expr)* $(,)?) => {
        if $crate::log::enabled($crate::log::Level::$level) {
            $crate::log::emit(
                $crate::log::Level::$level,
                $message,
                &[$(($name, $crate::log::Value::from($value))),*],
            );
        }
    };
}

pub(crate) use log;
