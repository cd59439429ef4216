//! Interning: equal values in use are kept once. Ten thousand feeds of one server have the same columns,
//! the same column types, and the same headers.

use std::sync::{Arc, Mutex, Weak};

use crate::lock::lock;

/// The most values compared. Beyond, the one interned longest ago is forgotten: an equal value is then
/// kept a second time, and nothing else changes.
const MAX_VALUES: usize = 16;

/// The values in use. Holds weak references only, so that it keeps none of them alive.
#[derive(Debug)]
pub(crate) struct Interner<T>(Mutex<Vec<Weak<T>>>);

impl<T: PartialEq> Interner<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// `value`, or the equal one that is in use.
    pub(crate) fn intern(&self, value: T) -> Arc<T> {
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
            if known.len() >= MAX_VALUES {
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
        let interner = Interner::new();
        let first = interner.intern("a".to_owned());
        assert!(Arc::ptr_eq(&first, &interner.intern("a".to_owned())));
        assert!(!Arc::ptr_eq(&first, &interner.intern("b".to_owned())));
        let weak = Arc::downgrade(&first);
        drop(first);
        assert!(weak.upgrade().is_none(), "nothing is kept for its own sake");
        assert_eq!(*interner.intern("a".to_owned()), "a");
    }

    #[test]
    fn more_values_than_are_looked_through_are_as_right_as_few() {
        let interner = Interner::new();
        let all: Vec<_> = (0..3 * MAX_VALUES).map(|n| interner.intern(n)).collect();
        assert!(all.iter().enumerate().all(|(n, kept)| **kept == n));
        assert!(interner.0.lock().expect("whole").len() <= MAX_VALUES);
        assert!(Arc::ptr_eq(&all[3 * MAX_VALUES - 1], &interner.intern(3 * MAX_VALUES - 1)));
    }
}
