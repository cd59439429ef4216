//! Values that are equal nearly everywhere, kept once: ten thousand feeds of one server have the same
//! columns, the same types of them, and the same headers.

use std::sync::{Arc, Mutex, Weak};

use crate::lock::lock;

/// The most values looked through. Beyond, the one shared longest ago is forgotten: what comes later
/// is then kept once more, and nothing else changes.
const MOST: usize = 16;

/// Values in use. It keeps none of them alive.
#[derive(Debug)]
pub(crate) struct Shared<T>(Mutex<Vec<Weak<T>>>);

impl<T: PartialEq> Shared<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// `value`, or the equal one that is in use.
    pub(crate) fn of(&self, value: T) -> Arc<T> {
        let mut known = lock(&self.0);
        let mut found = None;
        known.retain(|kept| {
            let Some(kept) = kept.upgrade() else { return false };
            if found.is_none() && *kept == value {
                found = Some(kept);
            }
            true
        });
        found.unwrap_or_else(|| {
            let value = Arc::new(value);
            if known.len() >= MOST {
                known.remove(0);
            }
            known.push(Arc::downgrade(&value));
            value
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_kept_once_for_as_long_as_somebody_uses_them() {
        let shared = Shared::new();
        let first = shared.of("a".to_owned());
        assert!(Arc::ptr_eq(&first, &shared.of("a".to_owned())));
        assert!(!Arc::ptr_eq(&first, &shared.of("b".to_owned())));
        let weak = Arc::downgrade(&first);
        drop(first);
        assert!(weak.upgrade().is_none(), "nothing is kept for its own sake");
        assert_eq!(*shared.of("a".to_owned()), "a");
    }

    #[test]
    fn more_values_than_are_looked_through_are_as_right_as_few() {
        let shared = Shared::new();
        let all: Vec<_> = (0..3 * MOST).map(|n| shared.of(n)).collect();
        assert!(all.iter().enumerate().all(|(n, kept)| **kept == n));
        assert!(shared.0.lock().expect("whole").len() <= MOST);
        assert!(Arc::ptr_eq(&all[3 * MOST - 1], &shared.of(3 * MOST - 1)));
    }
}
