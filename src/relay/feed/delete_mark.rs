//! The delete mark: the part of a handle that says which deletes a viewer has seen, since a deleted row has no
//! `updatedAt` to compare. By the mark, another relay knows which deletes the viewer lacks, and does not send the
//! viewer back to the start at each poll (F7). Pure.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// How far the clocks of two relays may differ, in milliseconds.
pub(super) const SKEW_MS: u64 = 2_000;

/// The deletes that a copy had seen when it gave a handle out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DeleteMark {
    /// When the copy began, in Unix milliseconds: it never had rows that were deleted before.
    pub(super) began_ms: u64,
    /// The id of the last delete ([`delete_id`]); 0 for none.
    pub(super) last: u64,
    /// The time of the last delete, in Unix milliseconds.
    pub(super) last_ms: u64,
}

impl DeleteMark {
    /// The mark of a handle; `None` for a server's handle, and for that of an older relay, which wrote no mark.
    pub(super) fn of(handle: &str) -> Option<Self> {
        let mut numbers = handle.rsplit('_').nth(1)?.split('-').map(|text| u64::from_str_radix(text, 16).ok());
        let mut next = || numbers.next().flatten();
        Some(Self { began_ms: next()?, last: next()?, last_ms: next()? })
    }
}

impl fmt::Display for DeleteMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}-{:x}", self.began_ms, self.last, self.last_ms)
    }
}

/// The id of a row's delete: the same in every relay, different for other rows and times, and never 0.
pub(super) fn delete_id(key: &str, updated_ms: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (key, updated_ms).hash(&mut hasher);
    hasher.finish() | 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::feed::copy::tests::row;
    use crate::relay::feed::rows::{Retention, Rows};
    use crate::relay::feed::since::Since;

    fn put(rows: &mut Rows, id: &str) {
        rows.put(&id.into(), &row(id, "PENDING", 1, 1));
    }

    #[test]
    fn a_viewer_of_another_relay_is_told_the_deletes_it_cannot_know_and_no_others() {
        let (mut one, mut two) = (Rows::new(Retention::default(), 0), Rows::new(Retention::default(), 0));
        for rows in [&mut one, &mut two] {
            for id in ["a", "b", "c", "d"] {
                put(rows, id);
            }
            rows.remove(&"a".into());
        }
        let gone = |rows: &Rows, mark| -> Vec<String> {
            assert!(!rows.is_lost(Since::Copy(1, mark), 0));
            rows.changes(Since::Copy(1, mark), 0).deletes.iter().map(|gone| gone.key.to_string()).collect()
        };
        let both = one.mark(one.sequence());
        assert_eq!((gone(&two, both), DeleteMark::of(&format!("run_7_{both}_nonce"))), (vec![], Some(both)));
        two.remove(&"b".into());
        assert_eq!(gone(&two, both), ["b"]);
        assert_eq!(gone(&one, two.mark(two.sequence())), ["a"], "one is behind, and tells what it has");
        // A relay that began after the deletes never had those runs; its clock may be a little behind.
        let mut late = Rows::new(Retention::default(), SKEW_MS);
        put(&mut late, "c");
        assert_eq!(gone(&two, late.mark(late.sequence())), Vec::<String>::new());
        assert_eq!(gone(&two, DeleteMark { began_ms: SKEW_MS - 1, ..DeleteMark::default() }), ["b", "a"]);
        two.at(SKEW_MS * 2);
        two.remove(&"c".into());
        assert_eq!(gone(&two, late.mark(late.sequence())), ["c"]);
        let ahead = two.mark(two.sequence());
        assert_eq!(
            gone(&one, ahead),
            Vec::<String>::new(),
            "one is behind: all that it has is known, and not told again"
        );
        assert!(two.is_lost(Since::Copy(2, late.mark(2)), 0), "it is behind the viewer: it would tell it for ever");
        for handle in ["run-cj58", "runs_1795249080000_265_78450bdb", "run_7_4d2f24f0-6b0f-4f0e-8f0e-000000000000"] {
            assert_eq!(DeleteMark::of(handle), None, "{handle}");
        }
    }
}
