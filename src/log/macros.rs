//! The macro that writes a line.

/// Writes a line: a level, a message and fields. The fields are computed only where a sink takes the level.
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
