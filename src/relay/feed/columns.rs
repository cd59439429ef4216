//! Which columns of a row changed, and when: a reader that follows by changes is told those alone. Pure.

use crate::table::{MAX_COLUMNS, Row};

/// A set of a row's columns, by their index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::relay) struct ColumnSet([u64; MAX_COLUMNS / 64]);

impl ColumnSet {
    /// The columns of `row` whose index and name `is_in` takes.
    pub(in crate::relay) fn of(row: &Row, is_in: impl Fn(usize, &str) -> bool) -> Self {
        let mut set = Self::default();
        for (index, (name, _)) in row.cells().enumerate() {
            if is_in(index, name) {
                set.insert(index);
            }
        }
        set
    }

    /// Adds a column.
    pub(in crate::relay) fn insert(&mut self, index: usize) {
        if let Some(word) = self.0.get_mut(index / 64) {
            *word |= 1 << (index % 64);
        }
    }

    /// Whether a column is in it.
    pub(in crate::relay) fn has(&self, index: usize) -> bool {
        self.0.get(index / 64).is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    /// Whether no column is in it.
    pub(in crate::relay) fn is_empty(&self) -> bool {
        self.0 == Self::default().0
    }
}

/// The change that brought each column's present text, in the row's order, where `version` brings `row`. `before` is the
/// row that it replaces, with its own.
pub(super) fn versions(before: Option<(&Row, &[u64])>, row: &Row, version: u64) -> std::sync::Arc<[u64]> {
    let Some((before, versions)) = before else { return row.cells().map(|_| version).collect() };
    // Columns that come in another order are those of another answer of the server: they are compared by name.
    let is_aligned = before.is_aligned(row);
    let mut old = before.cells();
    let told = row.cells().enumerate().map(|(index, (name, text))| {
        let (at, known) = if is_aligned {
            (Some(index), old.next().and_then(|(_, text)| text))
        } else {
            (before.cells().position(|(column, _)| column == name), before.get(name))
        };
        let same = row.shares(before, name) || known == text;
        // A column that no row had before was null.
        let since = at.and_then(|at| versions.get(at)).copied().unwrap_or(0);
        if same { since } else { version }
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::table::Columns;

    fn row(columns: &mut Arc<Columns>, before: Option<&Row>, pairs: &[(&'static str, Option<&'static str>)]) -> Row {
        let pairs = pairs.iter().map(|&(name, text)| (name.into(), text.map(Into::into)));
        Row::merge(columns, before, before, pairs)
    }

    #[test]
    fn a_column_is_of_the_change_that_brought_its_text() {
        let mut columns = Arc::default();
        let first = row(&mut columns, None, &[("a", Some("1")), ("b", Some("1")), ("c", None)]);
        let one = versions(None, &first, 5);
        assert_eq!(*one, [5, 5, 5]);
        let second = row(&mut columns, Some(&first), &[("b", Some("2")), ("c", None), ("d", Some("1"))]);
        let two = versions(Some((&first, &one)), &second, 7);
        assert_eq!(*two, [5, 7, 5, 7]);
        let third = row(&mut columns, Some(&second), &[("a", None)]);
        assert_eq!(*versions(Some((&second, &two)), &third, 9), [9, 7, 5, 7]);
    }

    #[test]
    fn columns_that_come_in_another_order_are_compared_by_name() {
        let first = row(&mut Arc::default(), None, &[("a", Some("1")), ("b", Some("2")), ("c", Some("3"))]);
        let other = row(&mut Arc::default(), None, &[("b", Some("2")), ("a", Some("9")), ("e", None)]);
        assert_eq!(*versions(Some((&first, &[4, 5, 6])), &other, 9), [5, 9, 0]);
    }

    #[test]
    fn a_set_has_what_was_put_in() {
        let mut set = ColumnSet::default();
        assert!(set.is_empty() && !set.has(0));
        for index in [0, 63, 64, MAX_COLUMNS - 1, MAX_COLUMNS] {
            set.insert(index);
        }
        assert_eq!(
            [0, 1, 63, 64, 65, MAX_COLUMNS - 1, MAX_COLUMNS].map(|index| set.has(index)),
            [true, false, true, true, false, true, false]
        );
    }
}
